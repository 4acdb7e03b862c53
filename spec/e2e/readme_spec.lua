local socket = require("socket")
local support = require("spec.support")

-- The fenced blocks of a file: { language, text, line }.
local function blocks(path)
    local found, block, number = {}, nil, 0
    for line in io.lines(path) do
        number = number + 1
        local fence = line:match("^```(%w*)")
        if fence and block then
            block = nil
        elseif fence then
            block = { language = fence, text = "", line = number }
            found[#found + 1] = block
        elseif block then
            block.text = block.text .. line .. "\n"
        end
    end
    return found
end

-- A directory as after `make`: the executable is in build/ and on the PATH.
local function workplace()
    local directory = support.temporary_directory("readme")
    os.execute(("ln -s $(realpath %s) %s/build"):format(support.quote(support.build), directory))
    return directory, { PATH = directory .. "/build:" .. os.getenv("PATH"), TMPDIR = directory }
end

local function free_port()
    local probe <close> = setmetatable({ socket = assert(socket.bind("127.0.0.1", 0)) }, {
        __close = function(self) self.socket:close() end,
    })
    return select(2, probe.socket:getsockname())
end

for _, path in ipairs { "README.md", "runtime/README.md" } do describe("in " .. path, function()
    local directory, env
    local all = blocks(path)

    lazy_setup(function()
        directory, env = workplace()
        local sandbox = support.sandbox { rate = 0 }
        for name, value in pairs(sandbox:env()) do env[name] = value end
        for _, block in ipairs(all) do
            local name = block.language == "lua" and block.text:match("^%-%- ([%w_]+%.lua):")
            if name then support.write(directory .. "/" .. name, block.text) end
        end
    end)

    -- What the block is said to print, when a block of text follows it.
    local function check_output(i, result)
        local following = all[i + 1]
        if following and following.language == "text" then
            assert.are.equal(following.text, result.stdout)
        end
    end

    local runners = {
        sh = function(block)
            local text = block.text:gsub("8642", tostring(free_port()))
            local result = support.run { "-ec", text, command = "bash", directory = directory, env = env }
            assert.are.equal(0, result.status, result.stderr)
            return result
        end,
        lua = function(block)
            local result = support.run { "run", "--sandbox", "-", stdin = block.text }
            assert.are.equal(0, result.status, result.stderr)
            return result
        end,
    }

    for i, block in ipairs(all) do
        local runner = runners[block.language]
        if runner then
            it(("the example at line %d does what it says"):format(block.line), function()
                local result = runner(block)
                assert.is_true(#result.stdout > 0, "it printed nothing")
                check_output(i, result)
            end)
        end
    end

    it("examples are found", function()
        assert.is_true(#all >= 4)
    end)
end) end
