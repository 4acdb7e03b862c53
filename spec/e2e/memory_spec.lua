-- What kmirror does with its memory while it works.
local regions = require("spec.support.regions")
local support = require("spec.support")

-- Page faults of a run so far: the eighth number after the name of the process.
local GETS <const> = [[
    local api, task = require("mirrors").connect {}, require("task")
    local id = api:list()[1].id
    local function faults()
        return tonumber(io.open("/proc/self/stat"):read "a":match("%) %S" .. (" %S+"):rep(6) .. " (%d+)"))
    end
    local function gets(count)
        local group <close> = task.group { concurrency = 32 }
        for _ = 1, 32 do
            group:spawn(function()
                for _ = 1, count // 32 do api:get(id) end
            end)
        end
        group:wait()
    end
    gets(3200)
    local before = faults()
    gets(6400)
    print(faults() - before)
]]

describe("memory that an answer took", function()
    it("is kept for the next, not given back to the kernel and fetched anew", function()
        local it_ = regions.start()
        local result = support.run { "--rate", "0", "run", support.temporary("gets.lua", GETS), env = it_:env() }
        it_:stop()
        assert.are.equal(0, result.status, result.stderr)
        local faults = math.tointeger(tonumber(result.stdout))
        assert.is_true(faults < 200, faults .. " page faults in 6,400 gets")
    end)
end)
