local support = require("spec.support")

local function shell(line)
    local pipe <close> = assert(io.popen(line .. " 2>&1"))
    return pipe:read("a")
end

local function kind(path) return shell("stat -c %F " .. path):gsub("\n", "") .. "" end

-- Each way to have a file written, by what writes it there. All end well for a file that can be written.
local ways = {
    ["--report"] = function(path) return { "--sandbox", "--report", path, "list" } end,
    ["--metrics"] = function(path) return { "--sandbox", "--metrics", path, "list" } end,
    ["--state"] = function(path) return { "--sandbox", "--state", path, "list" } end,
    ["json.write"] = function(path)
        return { "run", "-", stdin = ('require("kmirror.json").write(%q, { 1, 2 })'):format(path) }
    end,
}

describe("a file that is written", function()
    local folder

    before_each(function() folder = support.temporary_directory("files") end)

    it("stays the link that it was, and is written where that leads, with the permissions that it had", function()
        for name, way in pairs(ways) do
            local target, link = folder .. "/target", folder .. "/link"
            shell("rm -f " .. target)
            assert.are.equal(0, support.run(way(target)).status, name)
            shell(("chmod 640 %s; ln -sf %s %s"):format(target, target, link))
            local result = support.run(way(link))
            assert.are.equal(0, result.status, name .. result.stderr)
            assert.are.equal("symbolic link", kind(link), name)
            assert.is_true(#support.read(target) > 0, name)
            assert.are.equal("640\n", shell("stat -c %a " .. target), name)
        end
    end)

    it("leaves to a file's other names what they had", function()
        for name, way in pairs(ways) do
            local one, other = folder .. "/one", folder .. "/other"
            shell(("rm -f %s %s"):format(one, other))
            assert.are.equal(0, support.run(way(one)).status, name)
            shell(("ln -f %s %s"):format(one, other))
            local before = support.read(other)
            assert.is_true(#before > 0, name)
            assert.are.equal(0, support.run(way(one)).status, name)
            assert.are.equal(before, support.read(other), name)
            assert.are_not.equal(shell("stat -c %i " .. one), shell("stat -c %i " .. other), name)
        end
    end)

    it("is not written through a link to nothing, over a folder, or into a pipe without a reader", function()
        shell(("cd %s && ln -s nothing dangling && mkfifo pipe && mkdir folder"):format(folder))
        local kinds = { dangling = "symbolic link", pipe = "fifo", folder = "directory" }
        for name, way in pairs(ways) do
            for entry, before in pairs(kinds) do
                local path = folder .. "/" .. entry
                local result = support.run(way(path))
                assert.is_true(result.status == 1 or result.status == 2, name .. " " .. entry)
                assert.is_truthy(result.stderr:find(path, 1, true), name .. result.stderr)
                assert.are.equal(before, kind(path), name)
            end
        end
        assert.are.equal("dangling folder pipe\n", shell("ls -x " .. folder):gsub("%s+", " "):gsub(" $", "\n") .. "")
    end)

    it("goes by no name that somebody may have prepared, and leaves none behind", function()
        local victim = support.write(folder .. "/victim", "precious")
        for name, way in pairs(ways) do
            shell(("cd %s && ln -sf victim out.new && ln -sf victim out.try"):format(folder))
            assert.are.equal(0, support.run(way(folder .. "/out")).status, name)
            assert.are.equal("precious", support.read(victim), name)
            assert.are.equal("out out.new out.try victim ", (shell("ls -x " .. folder):gsub("%s+", " ")))
            os.remove(folder .. "/out")
        end
    end)

    it("stays one file when this process has it open: by a redirection, or as its log", function()
        for _, redirected in ipairs { "7>%s --report /dev/fd/7", "7>%s --metrics /proc/self/fd/7",
            "--report %s --log-file %s" } do
            local path = folder .. "/open"
            shell("rm -f " .. path)
            local words = redirected:gsub("%%s", path)
            local told = shell(("%s --sandbox %s list > /dev/null; echo $?"):format(support.executable, words))
            assert.are.equal("0\n", told:match("%d+\n$"), words)
            assert.is_truthy(support.read(path):find("</html>\n?$") or support.read(path):find("# EOF\n$"), words)
        end
    end)

    it("is not written through a link of another user", function()
        local link = folder .. "/link"
        shell("ln -s victim " .. link)
        local victim = support.write(folder .. "/victim", "precious")
        if shell("chown -h nobody " .. link) ~= "" then
            return pending("only root can give a link away")
        end
        for name, way in pairs(ways) do
            local result = support.run(way(link))
            assert.is_true(result.status == 1 or result.status == 2, name)
            assert.is_truthy(result.stderr:find(link .. ": it is a symbolic link of another user", 1, true)
                or name == "--state", result.stderr)
        end
        local result = support.run { "--sandbox", "--log-file", link, "list" }
        assert.are.equal(2, result.status)
        assert.is_truthy(result.stderr:find(link .. ": it is a symbolic link of another user", 1, true), result.stderr)
        assert.are.equal("precious", support.read(victim))
    end)

    it("leaves what was there, and nothing beside it, when there is no room for it", function()
        local path = support.write(folder .. "/old", "old")
        local result = support.run { command = "sh", "-c",
            ("trap '' XFSZ; ulimit -f 4; exec %s --sandbox --report %s list"):format(
                support.quote(support.executable), path) }
        assert.are.equal(2, result.status)
        assert.is_truthy(result.stderr:find("cannot write " .. path .. ": File too large", 1, true), result.stderr)
        assert.are.equal("old", support.read(path))
        assert.are.equal("old\n", shell("ls " .. folder))
    end)

    it("comes out of a pipe once, in the end, and whole", function()
        for _, option in ipairs { "--report", "--metrics" } do
            local pipe, copy = folder .. "/pipe" .. option, folder .. "/copy" .. option
            shell("mkfifo " .. pipe)
            local reader = support.start { command = "sh", "-c", ("exec cat %s > %s"):format(pipe, copy) }
            local result = support.run { "--sandbox", option, pipe, "list" }
            assert.are.equal(0, result.status, result.stderr)
            assert.are.equal(0, reader:wait().status)
            local ends = option == "--report" and "</html>%s*$" or "\n# EOF\n$"
            assert.matches(ends, support.read(copy))
            assert.are.equal("fifo", kind(pipe))
        end
    end)

    it("is told by name when the device that it goes to is full, and the exit status is 1", function()
        local device = folder .. "/full" -- of its own: as root, a fault here would replace the system's
        if shell(("mknod %s c 1 7"):format(device)) ~= "" then device = "/dev/full" end
        for _, option in ipairs { "--report", "--metrics", "--log-file" } do
            local result = support.run { "--sandbox", option, device, "list" }
            assert.are.equal(1, result.status, option)
            assert.is_truthy(result.stderr:find(device .. ": No space left on device", 1, true), result.stderr)
            assert.are.equal("character special file", kind(device))
        end
    end)
end)

describe("a log file", function()
    it("is followed through a link, and a pipe without a reader is refused at once", function()
        local folder = support.temporary_directory("log")
        shell(("cd %s && ln -s real link && touch real && mkfifo pipe"):format(folder))
        assert.are.equal(0, support.run { "--sandbox", "--log-file", folder .. "/link", "list" }.status)
        assert.matches("info", support.read(folder .. "/real"))
        local result = support.run { "--sandbox", "--log-file", folder .. "/pipe", "list" }
        assert.are.equal(2, result.status)
        assert.is_truthy(result.stderr:find("/pipe: nobody reads from it", 1, true), result.stderr)
    end)
end)
