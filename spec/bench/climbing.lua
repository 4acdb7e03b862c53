-- climbing.lua: what `--rate auto` finds out, in simulated time (spec/support/climbing.c): limits, latencies, kinds of
-- window and changes, in some seconds, the same figures on every machine. `make rate-simulated` calls it.
--     SEEDS=5 ROWS="cold known changes windows"
package.path = "./?.lua;./?/init.lua;" .. package.path
local climbing = require("spec.support.climbing")

local seeds = tonumber(os.getenv "SEEDS" or "5")
local program = os.getenv "CLIMBING" or climbing.program()

-- The means over all seeds of what it prints.
local function means(case)
    local sums = {}
    for seed = 1, seeds do
        for i, number in ipairs(climbing.figures(program, case, seed)) do
            sums[i] = (sums[i] or 0) + number / seeds
        end
    end
    return sums
end

local function line(name, case)
    local m = means(case)
    io.write(("%-34s %6.1f %6.2f   %6.1f %6.2f   %6.1f %6.1f"):format(name, table.unpack(m, 1, 6)))
    print(m[8] and ("   %6.1f %6.1f"):format(m[7], m[8]) or "")
end

local function name_of(case)
    return ("%s%s %3s ms, %s%s"):format(case.limit, case.late and "-" .. case.late or "", case.ms, case.processes or 1,
        case.more and " " .. case.more or "")
end

local function each(values, fn) for _, value in ipairs(values) do fn(value) end end

local rows = {}

function rows.cold(with)
    each({ 10, 35, 60, 200 }, function(limit)
        each({ 5, 50, 150, 500 }, function(ms)
            each({ 1, 4 }, function(processes)
                local case = { limit = limit, ms = ms, processes = processes, seconds = 30 }
                for key, value in pairs(with) do case[key] = value end
                line(name_of(case), case)
            end)
        end)
    end)
end

function rows.known() rows.cold { known = 1 } end

function rows.changes()
    each({ { 60, 35 }, { 35, 60 }, { 60, 200 }, { 35, 200 }, { 10, 200 }, { 200, 10 } }, function(change)
        each({ 5, 50, 150, 500 }, function(ms)
            each({ 1, 4 }, function(processes)
                local case = { limit = change[1], ["then"] = change[2], ms = ms, processes = processes,
                    seconds = 60 }
                line(("%d-%d %3d ms, %d"):format(change[1], change[2], ms, processes), case)
            end)
        end)
    end)
end

function rows.windows()
    each({ "sliding", "fixed", "bucket" }, function(window)
        each({ 10, 35, 200 }, function(limit)
            each({ 5, 150 }, function(ms)
                each({ { "" }, { "jitter 1", jitter = 1 }, { "Retry-After 1", retry_after = 1 } }, function(more)
                    local case = { limit = limit, ms = ms, seconds = 60, window = window, jitter = more.jitter,
                        retry_after = more.retry_after }
                    line(("%s %d %d ms %s"):format(window, limit, ms, more[1]), case)
                end)
            end)
        end)
    end)
end

print(("%-34s %13s   %13s   %13s   %13s"):format("", "whole", "settled", "start", "change"))
print(("%-34s %6s %6s   %6s %6s   %6s %6s   %6s %6s"):format("limit, latency, processes", "used", "429", "used", "429",
    "s", "429s", "s", "429s"))
for name in (os.getenv "ROWS" or "cold known changes windows"):gmatch("%S+") do
    print(name)
    rows[name] {}
end
