local support = require "spec.support"

-- Runs Lua in the host, where tasks run side by side; returns what it printed.
local function run(script)
    local result = support.run { "run", "-",
        stdin = 'local bulk, task = require "kmirror.bulk", require "task"\n' .. script }
    assert.are.equal("", result.stderr)
    assert.are.equal(0, result.status)
    return result.stdout
end

describe("bulk.map", function()
    it("gives results in the order of the items, whichever is ready first", function()
        assert.are.equal("3a 2b 1c\n", run [[
            local made = bulk.map({ 0.03, 0.02, 0.01 }, function(seconds, i)
                task.sleep(seconds)
                return ("%d%s"):format(seconds * 100, ("abc"):sub(i, i))
            end)
            print(table.concat(made, " "))]])
    end)

    it("works on several at a time, but no more than it may", function()
        assert.are.equal("16 3 1\n", run [[
            local function most(concurrency)
                local now, most = 0, 0
                local items = {}
                for i = 1, 40 do items[i] = i end
                bulk.map(items, function()
                    now = now + 1
                    most = math.max(most, now)
                    task.sleep(0.001)
                    now = now - 1
                end, concurrency)
                return most
            end
            print(most() .. " " .. most(3) .. " " .. most(1))]])
    end)

    it("stops at the first failure, and raises it", function()
        assert.are.equal("false\tno\t2 begun, 0 ended\n", run [[
            local begun, ended = 0, 0
            local ok, problem = pcall(bulk.map, { 1, 2, 3, 4 }, function(i)
                begun = begun + 1
                if i == 2 then error("no", 0) end
                task.sleep(5)
                ended = ended + 1
            end, 2)
            print(ok, problem, ("%d begun, %d ended"):format(begun, ended))]])
    end)

    it("has nothing to do with nothing", function()
        assert.are.equal("0\n", run "print(#bulk.map({}, error))")
    end)
end)
