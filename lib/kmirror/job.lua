--- job: runs a command as one run of a job, so that it can be taken up again; and takes one up again.

local approval = require("kmirror.approval")
local changes = require("kmirror.changes")
local confirm = require("kmirror.confirm")
local host = require("host")
local jobs = require("kmirror.jobs")
local joint = require("kmirror.joint")
local journal = require("kmirror.journal")
local json = require("kmirror.json")
local log = require("kmirror.log")
local mirrors = require("mirrors")
local profile = require("kmirror.profile")
local sensitive = require("kmirror.sensitive")
local state = require("kmirror.state")
local stores = require("kmirror.store")
local textfile = require("kmirror.textfile")
local refuse = require("kmirror.usage")

local M = {}

-- What the command line holds beside kmirror's own options.
local not_settings = {
    command = true, job = true, script = true, rest = true, json = true, traceback = true, color = true,
    log_file = true, log_level = true, refused = true, dry_run = true, reason = true,
    not_before = true, stop_at = true, source_digest = true, world_digest = true,
}

-- Hooks as text. A command that holds a secret is not written down.
local function kept_hooks(hooks)
    local kept = json.array({})
    for _, hook in ipairs(hooks or {}) do
        if sensitive.may_hold(hook.command) then
            log.warn("the hook %s may hold a secret, and is not kept with the job: give it again to kmirror jobs "
                .. "resume; a URL can be given by env:NAME, file:PATH or command:COMMAND", hook.step)
        else
            kept[#kept + 1] = { step = hook.step, command = hook.command }
        end
    end
    return #kept > 0 and json.encode(kept) or nil
end

local function is_shipped(script)
    return not script:find("/", 1, true) and host.script(script) ~= nil
end

-- Runners that share a job have to run the same: what they share is known by its place in the runbook.
local function source_digest(script)
    local source = not is_shipped(script) and textfile.read_code(script, "a runbook")
    return source and host.hmac_sha256("kmirror runbook", source) or nil
end

-- What else decides what the runbook does: the profile and the environment may say other things on each machine. Of
-- clusters, those that it is given by name.
local function world_digest(given)
    local current, named = profile.current(), {}
    local words = table.concat(given.rest, "\n"):lower()
    for name, cluster in pairs(current.clusters) do
        if words:find(name:lower(), 1, true) then
            named[name:lower()] = { cluster.connect, cluster.kafka }
        end
    end
    return host.hmac_sha256("kmirror world", json.encode({
        cluster = current.cluster, api = current.api, named = named, defaults = current.runbooks[given.script],
    }))
end

-- The options to run it with again. None of them is a secret: a key is never an argument.
local function settings_of(given)
    local settings = {}
    for name, value in pairs(given) do
        if not not_settings[name] and not name:find("^is_") and type(value) ~= "table" then
            settings[name] = value
        end
    end
    settings.command, settings.hooks = given.command, kept_hooks(given.hook)
    if given.join then
        settings.source_digest, settings.world_digest = source_digest(given.script), world_digest(given)
    end
    return settings
end

local function absolute(script, directory)
    if script == "-" or script:sub(1, 1) == "/" or is_shipped(script) then return script end
    return directory .. "/" .. script
end

-- What is changed. The sandbox has a new address each time, but with a state file it is the same world.
local function target_of(given)
    if given.sandbox then return "the sandbox" end
    local current, own = profile.current(), profile.own_urls()
    if own and not current.endpoint then return "Kafka Connect at " .. own end
    return ("%s as %s"):format(current.endpoint or "the API", current.username or "nobody")
end

--- Where the world of a job's sandbox is kept between its runs, unless --state says otherwise.
---@param name string of the job
---@return string
function M.sandbox_state(name)
    journal.check_name(name)
    local directory, problem = state.directory()
    if not directory then
        refuse("the sandbox of job %s has no place to be kept: %s", name, problem)
    end
    return ("%s/sandbox-%s.json"):format(directory, name)
end

local function close(opened, status)
    joint.finish()
    local summary = opened:finish(status)
    for _, line in ipairs(jobs.closing(summary)) do log.info("%s", line) end
    return summary
end

-- A run that went well but could not be written down to its end is no success.
local function checked(status, summary)
    if summary.problem and status == 0 then error(summary.problem, 0) end
    return status
end

-- The store, for who needs one with users of its own: to be told before anything is written there.
local function store_of(given)
    if not given.approval then return given.store end
    local ok, store = pcall(stores.open, given.store)
    if not ok and type(store) == "table" and store.kind == "store" then
        refuse("%s", store.message)
    end
    if not ok then error(store, 0) end
    if not approval.is_possible(store) then store:close() end
    approval.check(store)
    return store
end

-- Under --approval, no change goes out before it was given.
local function after_approval(intercept)
    return function(change, proceed)
        if not confirm.allowed() then
            error(mirrors.error("read_only", "refused: nothing has been approved yet, and the runbook changes "
                .. "something before it asks (confirm.approval, confirm.typed)", {
                operation = change.operation, cluster = change.cluster, id = change.id,
            }), 0)
        end
        return intercept(change, proceed)
    end
end

local default_timeout = 3600 -- seconds for an approval

local function set_up_approvals(given, opened)
    confirm.approve_by(function(summary)
        return approval.ask(opened, summary, given.approval_timeout or default_timeout)
    end, given.approval)
end

--- Runs a command as a run of the job `given.job`. Changes that an earlier run has done are not sent again.
---@param given table the command line
---@param work fun(given: table): integer what the command does; its exit status
---@return integer exit status
---Raises what `work` raises, and usage when the job cannot be opened.
function M.run(given, work)
    local directory = host.directory()
    local opened = journal.open({
        job = given.job, store = store_of(given),
        script = given.script and absolute(given.script, directory) or "kmirror " .. given.command,
        args = given.rest, target = target_of(given), directory = directory, settings = settings_of(given),
        reason = given.reason, join = given.join,
    })
    local shared = given.join and joint.begin(opened) or nil
    local notice = jobs.notice(opened)
    if notice then log.info("%s", notice) end
    set_up_approvals(given, opened)
    changes.record(after_approval(opened:intercept(shared and function(...) return shared:once(...) end)))
    local ok, result = host.catch(work, given)
    local summary = close(opened, ok and result or host.status_of(result))
    if not ok then error(result, 0) end
    return checked(result, summary)
end

-- What `kmirror jobs resume` is given beside options for the run.
local not_for_the_run = {
    command = true, action = true, name = true, rest = true, new_report = true, new_metrics = true,
}

--- The command line that takes up a job again: that of its last run, with the options that are given now in place of
--- those that it had. Raises usage when there is nothing to resume.
---@param given table the command line of `kmirror jobs resume`
---@return table
function M.resumed(given)
    local again = jobs.resume({ name = given.name, store = given.store, directory = host.directory() })
    local line = { command = "run", job = again.job, script = again.script, rest = again.args,
        reason = again.reason }
    for name, value in pairs(again.settings) do line[name] = value end
    line.hook, line.hooks = line.hooks and json.decode(line.hooks) or nil, nil
    if line.command ~= "run" then line.script, line.rest = nil, {} end
    for name, value in pairs(given) do
        if not not_for_the_run[name] and not name:find("^is_") then line[name] = value end
    end
    line.report, line.metrics = given.new_report or line.report, given.new_metrics or line.metrics
    return line
end

return M
