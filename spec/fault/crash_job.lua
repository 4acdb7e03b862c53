--- crash_job.lua PLACE STORE JOB TAG: a runbook with a journal, which kills itself (SIGKILL) at a place where
--- it may matter. PLACE is `any:N`, the N-th of all: before and after everything that is written down, when a
--- change is asked for, before and after it is sent, and when it is done; `flight:N`, while the N-th change is
--- under way; or `none`. It prints the ids of the mirrors that it made, and what the journal has to say of the
--- job in the end.
local journals, mirrors, stores = require("kmirror.journal"), require("mirrors"), require("kmirror.store")
local json, task = require("kmirror.json"), require("task")

local fatal, path, job, tag = ...
local passed = { any = 0, flight = 0 }

local function place(kind)
    passed[kind] = passed[kind] + 1
    if fatal == kind .. ":" .. passed[kind] then os.execute("kill -KILL $PPID") end
end

local writes = { begin_run = true, end_run = true, write_changes = true, write_seen = true }

-- The store, with a place before and after each write.
local function watched(store)
    return setmetatable({}, { __index = function(_, name)
        return type(store[name]) == "function" and function(_, ...)
            if writes[name] then place "any" end
            local result = store[name](store, ...)
            if writes[name] then place "any" end
            return result
        end
    end })
end

-- Sends a change, with a place before, while and after.
local function send(proceed, how)
    place "any"
    local watch = task.spawn(function()
        task.sleep(0.05)
        place "flight"
    end)
    local ok, result = pcall(proceed, how)
    watch:cancel()
    pcall(watch.join, watch)
    if not ok then error(result, 0) end
    place "any"
    return result
end

local run = journals.open { job = job, store = watched(stores.open(path)), script = "/crash_job.lua", target = "here" }
local step = run:intercept()
mirrors.intercept(function(change, proceed)
    place "any"
    local result = step(change, function(how) return send(proceed, how) end)
    place "any"
    return result
end)

local api = mirrors.connect { settle = 0.25, backoff = 0.02, retries = 20 }

local function spec(name)
    return {
        sourceType = "instaclustr", kafkaSource = "5a9b1c52-0000-4000-8000-000000000001", sourceAlias = "us-west",
        topicsRegex = tag .. name, useRenaming = false, usePrivateIps = false, maxTasks = 3,
    }
end

-- What is wanted: two equal mirrors and another, each with a latency of its own, and one that comes and goes.
local made = {}
local group <close> = task.group { concurrency = 4 }
for i, name in ipairs { "twin", "twin", "single" } do
    group:spawn(function()
        made[i] = api:create(spec(name))
        api:update_target_latency(made[i], name == "twin" and 11000 or 12000)
    end)
end
group:spawn(function() api:delete(api:create(spec "passing")) end)
group:wait()

print(json.encode { made = made, summary = run:finish(0) })
