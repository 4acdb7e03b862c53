--- test: runs a runbook in the sandbox, where time jumps, and tells what it sent and what came of it. For specs, which
--- `kmirror test` runs with busted.
---
---     local test = require("kmirror.test")
---     it("deletes what has failed", function()
---         local run = test.run("tidy.lua", { world = { mirrors = { { topicsRegex = "a", status = "FAILED" } } } })
---         assert.are.equal(0, run.status)
---         assert.are.equal(1, #run.sent.delete)
---     end)

local fields = require("mirrors").fields
local files = require("kmirror.file")
local json = require("kmirror.json")
local mirrors = require("mirrors")
local order = require("kmirror.order")
local sandbox = require("kmirror.sandbox")
local shell = require("kmirror.shell")

local M = {}

---@class kmirror.test.mirror a mirror, with its defaults
---@field topicsRegex string
---@field from? string region; us-west
---@field to? string region; us-east
---@field status? "IN_SYNC"|"CREATING"|"FAILED"|"STALE_TOPIC"|"FAILED_TASK" what becomes of it; IN_SYNC. FAILED_TASK:
---  FAILED by a task, while its connector is RUNNING
---@field targetLatency? integer ms; 30000
---@field useRenaming? boolean false
---@field id? string UUID

---@class kmirror.test.world
---@field mirrors? integer|kmirror.test.mirror[] how many, or each as a table; 24 by default
---@field clusters? integer Kafka Connect clusters; 2
---@field creating_seconds? number for which a new mirror is CREATING; 2
---@field sync_seconds? number that it then takes to catch up; 3
---@field lag_ms? number mean lag of a mirror that has caught up; 1200
---@field history? number seconds of records that a new mirror has to copy; 120
---@field metrics_window? number seconds over which latencies and rates are means, as the vendor's: 60; 0
---@field refresh? number seconds from one look at these to the next, as the vendor's: 20; 0
---@field fail_every? integer each Nth new mirror ends up FAILED
---@field stale_every? integer each Nth new mirror ends up as STALE_TOPIC
---@field fail_tasks_every? integer of each Nth new mirror a task ends up FAILED, though its connector goes on RUNNING
---@field stale_empty? number seconds after which a mirror without topics is STALE_TOPIC, as a real one: 120; never
---@field heartbeats? number records a second on the heartbeats topic that each mirror carries, as a real one: 1; none
---@field list_delay? number seconds by which the list runs behind
---@field seed? integer of all that is random

---@class kmirror.test.options
---@field args? (string|number)[] the runbook's own
---@field options? string[] kmirror's, such as "--dry-run"
---@field world? kmirror.test.world
---@field faults? string the name of a fault plan: flaky, lossy, throttled, slow, outage; or of a Lua file
---@field hooks? string[] steps to which a hook is given that takes down what it is called with

---@class kmirror.test.sent a request that the sandbox was sent
---@field operation string
---@field id? string of a mirror
---@field cluster string UUID
---@field status? integer nil when no answer was sent
---@field fault? string what the fault plan did to it
---@field time number seconds

---@class kmirror.test.run
---@field status integer exit status
---@field stdout string
---@field stderr string
---@field sent table<string, kmirror.test.sent[]> by operation: sent.create, sent.delete, ...
---@field mirrors table[] those that there are in the end
---@field seconds number from the first request to the last, on the runbook's clock
---@field hooks table<string, table<string, string>[]> by step: the environment of each call, KMIRROR_ and more

local function read(path)
    local file <close> = io.open(path, "rb")
    return file and file:read("a") or ""
end

-- ---- what is run ------------------------------------------------------------------------------------------

local settings = {
    "clusters", "creating_seconds", "sync_seconds", "lag_ms", "history", "metrics_window", "refresh", "fail_every",
    "stale_every", "fail_tasks_every", "stale_empty", "heartbeats", "list_delay", "seed",
}

local function world_words(world, directory)
    local words = { "--state", directory .. "/state" }
    if type(world.mirrors) == "table" then
        files.write(directory .. "/state", json.encode(sandbox.state_of(world.mirrors)))
    elseif world.mirrors then
        table.move({ "--world", tostring(world.mirrors) }, 1, 2, 3, words)
    end
    for _, name in ipairs(settings) do
        if world[name] then
            words[#words + 1] = "--" .. name:gsub("_", "-")
            words[#words + 1] = tostring(world[name])
        end
    end
    return words
end

local function hook_words(steps, directory)
    local words = {}
    for _, step in ipairs(steps) do
        words[#words + 1] = "--hook"
        words[#words + 1] = ("%s=env -0 > $(mktemp %s)"):format(step,
            shell.quote(directory .. "/hook." .. step .. ".XXXXXX"))
    end
    return words
end

local function command_of(runbook, options, directory)
    local words = { "run", "--sandbox", "--jump", "--color", "never", "--request-log",
        directory .. "/requests" }
    local function add(more)
        for _, word in ipairs(more) do words[#words + 1] = tostring(word) end
    end
    add(world_words(options.world or {}, directory))
    add(options.faults and { "--faults", options.faults } or {})
    add(options.options or {})
    add({ runbook })
    add(options.args or {})
    add(hook_words(options.hooks or {}, directory))
    for i, word in ipairs(words) do words[i] = shell.quote(word) end
    -- The shell's parent is this kmirror, wherever its file is.
    return ('env XDG_STATE_HOME=%s "/proc/$PPID/exe" %s < /dev/null > %s 2> %s'):format(shell.quote(directory),
        table.concat(words, " "), shell.quote(directory .. "/stdout"), shell.quote(directory .. "/stderr"))
end

-- ---- what came of it --------------------------------------------------------------------------------------

local function requests_of(path)
    local sent, first, last = {}, nil, nil
    for _, operation in ipairs(mirrors.operations) do sent[operation.name] = {} end
    for line in read(path):gmatch("[^\n]+") do
        local event = json.decode(line)
        if event.operation and event.method and sent[event.operation] then
            table.insert(sent[event.operation], event)
            first, last = first or event.time, event.time
        end
    end
    return sent, first and last - first or 0
end

local function mirrors_of(path)
    local state, found = sandbox.state_in(path), {}
    for connect, its in pairs(state and state.connects or {}) do
        for _, mirror in ipairs(its) do
            mirror.cluster, mirror.targetLatency = connect, math.tointeger(mirror.targetLatency)
            mirror.maxTasks = math.tointeger(mirror.maxTasks)
            found[#found + 1] = mirror
        end
    end
    table.sort(found, order.by("id"))
    return found
end

local function hooks_of(steps, directory)
    local found = {}
    for _, step in ipairs(steps) do
        found[step] = {}
        local pipe <close> = assert(io.popen(("ls -tr %s 2> /dev/null"):format(shell.quote(directory) .. "/hook."
            .. shell.quote(step) .. ".*")))
        for path in pipe:lines() do
            local environment = {}
            for name, value in read(path):gmatch("([^=%z]+)=([^%z]*)%z") do
                environment[name] = value
            end
            table.insert(found[step], environment)
        end
    end
    return found
end

local function new_directory()
    local pipe <close> = assert(io.popen("mktemp -d -t kmirror-test.XXXXXX"))
    return pipe:read("l") or error("a test needs a temporary directory, and mktemp -d made none", 0)
end

--- Runs a runbook in a process of its own against a sandbox of its own, and waits for its end. Waits take no time
--- there: the clock jumps to what happens next.
---@param runbook string a file, or the name of one that ships
---@param options? kmirror.test.options
---@return kmirror.test.run
---Raises `invalid` for options that are wrong.
function M.run(runbook, options)
    options = options or {}
    local directory = new_directory()
    local _ <close> = setmetatable({}, { __close = function() os.execute("rm -rf " .. shell.quote(directory)) end })
    local _, _, status = os.execute(command_of(runbook, options, directory))
    local sent, seconds = requests_of(directory .. "/requests")
    return {
        status = status, stdout = read(directory .. "/stdout"), stderr = read(directory .. "/stderr"), sent = sent,
        seconds = seconds, mirrors = mirrors_of(directory .. "/state"),
        hooks = hooks_of(options.hooks or {}, directory),
    }
end

-- ---- what the arguments may be --------------------------------------------------------------------------

local count = fields.integer(0)

return fields.guard("test", M, {
    run = {
        "runbook", fields.text, "options?", fields.options({
            args = fields.list(fields.word), options = fields.list(fields.string), faults = fields.text,
            hooks = fields.list(fields.text),
            world = fields.options({
                mirrors = fields.either(count, fields.list(fields.table)), clusters = fields.integer(2),
                creating_seconds = fields.number(0, "seconds"), sync_seconds = fields.number(0, "seconds"),
                lag_ms = fields.number(0, "milliseconds"), history = fields.number(0, "seconds"),
                metrics_window = fields.number(0, "seconds"), refresh = fields.number(0, "seconds"),
                fail_every = count, stale_every = count, fail_tasks_every = count,
                stale_empty = fields.number(0, "seconds"), heartbeats = fields.number(0, "records a second"),
                list_delay = fields.number(0, "seconds"), seed = fields.integer(math.mininteger),
            }),
        }),
    },
})
