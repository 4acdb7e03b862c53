--- Kills a job (SIGKILL) wherever it may matter, resumes it, and compares what it believes with what the
--- sandbox did.
---
--- The job wants 8 changes. Killed at each of 54 places, once each, it took about 15 change requests beside
--- the 432 wanted; killed while each of the 8 was under way, and up to three more with it, 13 beside 64. No
--- create took effect twice.
local cjson = require("cjson")
local stores = require("spec.support.stores")
local support = require("spec.support")

local changes = { create = true, delete = true, update_target_latency = true }
local wanted = { create = 4, delete = 1, update_target_latency = 3 }

local store, sandbox

local function job(place, tag)
    return { "run", "spec/fault/crash_job.lua", place, store, tag, tag, env = stores.env(sandbox:env()) }
end

-- What the sandbox did for a tag: how many change requests came, what effects they had, and the mirrors they
-- left.
local function done_for(tag)
    local requests, effects, made = 0, { create = 0, delete = 0, update_target_latency = 0 }, {}
    for _, request in ipairs(sandbox:requests()) do
        local effect = request.effect or {}
        if effect.change == "created" and effect.topicsRegex:find(tag, 1, true) == 1 then
            made[effect.id] = { name = effect.topicsRegex:sub(#tag + 1), there = true }
        end
        local mirror = made[request.id]
        if mirror and changes[request.operation] then
            requests = requests + 1
            mirror.latency = effect.targetLatency or mirror.latency
            mirror.there = mirror.there and effect.change ~= "deleted"
            if request.effect then effects[request.operation] = effects[request.operation] + 1 end
        end
    end
    return requests, effects, made
end

-- The sandbox holds exactly what was wanted, and the job says the same. Returns how many change requests it
-- took beside the wanted ones.
local function check(result, tag)
    assert.are.equal(0, result.status, result.stderr)
    local said = cjson.decode(result.stdout)
    local requests, effects, made = done_for(tag)
    assert.are.equal(wanted.create, effects.create)
    assert.are.equal(wanted.delete, effects.delete)
    for i, name in ipairs { "twin", "twin", "single" } do
        local mirror = assert(made[said.made[i]], "an id that was never made")
        assert.are.same({ name = name, there = true, latency = name == "twin" and 11000 or 12000 }, mirror)
        mirror.there = false
    end
    for _, mirror in pairs(made) do
        assert.is_false(mirror.there, "a mirror too many: " .. mirror.name)
    end
    assert.are.same(wanted, said.summary.done)
    assert.are.equal(0, said.summary.unanswered)
    assert.are.equal(0, said.summary.failed)
    return requests - wanted.create - wanted.delete - wanted.update_target_latency
end

-- Kills a job at each place of a kind in turn and resumes it. Returns how often that was, and how many change
-- requests it took beside the wanted ones.
local function kill_everywhere(kind)
    local extra = 0
    for n = 1, 1000 do
        local tag = ("%s%d."):format(kind, n)
        local killed = support.start(job(("%s:%d"):format(kind, n), tag)):wait()
        if killed.status ~= 137 then
            check(killed, tag)
            return n - 1, extra
        end
        extra = extra + check(support.run(job("none", tag)), tag)
    end
end

describe("a job that is killed", function()
    before_each(function()
        store = stores.place "crash"
    end)

    after_each(support.stop_all)

    it("does what is wanted, once, when it is resumed: killed at any write and around any change", function()
        sandbox = support.sandbox { rate = 0 }
        local places, extra = kill_everywhere "any"
        assert.is_true(places > 50, "only " .. places .. " places")
        assert.is_true(extra <= places, extra .. " extra requests")
    end)

    it("does what is wanted, once, when it is resumed: killed while any change is under way", function()
        sandbox = support.sandbox { rate = 0, faults = support.temporary("stall.lua", [[
            local changes = { "create", "delete", "update_target_latency" }
            return { { fault = "stall", seconds = 0.15, operation = changes } }]]) }
        local places, extra = kill_everywhere "flight"
        assert.are.equal(8, places)
        assert.is_true(extra <= 4 * places, extra .. " extra requests") -- four are under way at a time
    end)

    local when_full = "stops when the disk is full, says so, and does what is wanted, once, when there is room again"
    stores.it_in_file(it, when_full, function()
        sandbox = support.sandbox { rate = 0 }
        local stopped = 0
        for blocks = 16, 1000, 32 do -- of 512 bytes, per file
            store = support.temporary_directory("full") .. "/jobs.db"
            local tag = ("full%d."):format(blocks)
            local words = { command = "sh", "-c", ('trap "" XFSZ; ulimit -f %d; exec "$@"'):format(blocks), "sh",
                support.executable, env = sandbox:env() }
            table.move(job("none", tag), 1, 6, 5, words)
            local limited = support.run(words)
            if limited.status == 0 then break end
            assert.matches("kmirror: the store .*disk", limited.stderr)
            check(support.run(job("none", tag)), tag)
            stopped = stopped + 1
        end
        assert.is_true(stopped >= 5, "stopped only " .. stopped .. " times")
    end)

    it("does what is wanted, once, when it is resumed: killed at random, over and over, on a bad network", function()
        local plan = support.temporary("plan.lua", [[
            local changes = { "create", "delete", "update_target_latency" }
            return {
                { fault = "drop", when = "after", operation = changes, probability = 0.2 },
                { fault = "drop", when = "before", probability = 0.1 },
                { fault = "server_error", status = 502, body = "html", when = "after", probability = 0.05 },
                { fault = "stall", seconds = { 0.05, 0.2 }, probability = 0.5 },
            }]])
        local kills = 0
        math.randomseed(7)
        for seed = 1, 8 do
            sandbox = support.sandbox { rate = 0, faults = plan, seed = seed }
            local tag = ("seed%d."):format(seed)
            for _ = 1, 6 do
                local process = support.start(job("none", tag))
                support.sleep(math.random() * 0.4)
                process:signal "KILL"
                if process:wait().status == 137 then kills = kills + 1 end
            end
            check(support.run(job("none", tag)), tag)
            sandbox:stop()
        end
        assert.is_true(kills >= 16, "killed only " .. kills .. " times")
    end)
end)
