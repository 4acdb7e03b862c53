local host = require("host")
local jobs = require("kmirror.jobs")
local meant = require("mirrors").fields.meant
local shown = require("kmirror.cli.jobs.shown")
local refuse = require("kmirror.usage")
local sets = require("kmirror.cli.sets")

local actions = {}

function actions.show(options)
    return shown.one(options)
end

function actions.resume(options)
    return require("kmirror.cli").run(require("kmirror.job").resumed(options), {})
end

function actions.forget(options)
    local status = jobs.forget(options)
    if host.directory() then os.remove(require("kmirror.job").sandbox_state(options.name)) end
    return status
end

function actions.approve(options)
    return require("kmirror.cli.jobs.decision").approve(options)
end

function actions.refuse(options)
    return require("kmirror.cli.jobs.decision").refuse(options)
end

-- What is about a run, and what is about a table.
local options_of = {
    { "new_report", "--report", resume = true },
    { "new_metrics", "--metrics", resume = true },
    { "json", "--json", show = true, list = true },
    { "output", "--output", show = true, list = true },
    { "reason", "--reason", resume = true, approve = true, refuse = true },
    { "digest", "--digest", approve = true, refuse = true },
    { "hook", "--hook", resume = true },
    { "hook_timeout", "--hook-timeout", resume = true },
}

local function refuse_useless(options)
    local action = options.action or "list"
    for _, option in ipairs(options_of) do
        if options[option[1]] and not option[action] then
            local command = "kmirror jobs" .. (options.action and " " .. options.action or "")
            refuse("%s has no %s; see kmirror help jobs", command, option[2])
        end
    end
end

---@type kmirror.command
return {
    name = "jobs",
    summary = "Jobs: runs of a runbook that can be resumed.",
    details = [[
kmirror run --job NAME makes a job: each change is written down before it is
sent and after it was answered. Run again under the same name, or by jobs
resume, it does what is left; nothing is done twice.

Without arguments lists all jobs. show has one in full, resume runs its runbook
again with the same arguments, forget removes its record.

resume takes the options of that run, and those that are given now instead:
kmirror jobs resume NAME --rate 5 --report again.html.

Both tell who runs it, or did, on which machine; show tells it of each run, with
the version of kmirror and what --reason gave. In a store with leases they also
tell for how long those at work hold the job, which they renew in time; of
several, which share it, the list tells whose lease ends first.

approve and refuse decide what a job that runs with --approval waits for: they
show it, and approve just that, by its digest. It takes another user of the
store than the one who asked.

With --json: an array of {"name", "state", "script", "target", "created",
"runs", "started", "ended", "status", "user", "host", "pid", "version",
"reason", "holders", "approval", "done", "failed", "unanswered", "unasked"};
show has "history" and "changes", too. --output csv has a row for each job; for
each change, with show.]],
    sets = { "results", "tables", "messages", "store", "assent", "hooks" },

    define = function(parser)
        parser:argument("action", "What to do."):args("?"):argname("show|resume|forget|approve|refuse")
        parser:argument("name", "The job."):args("?"):argname("JOB")
        -- Not the set of that name: only resume has a use for them.
        parser:option("--report", "With resume: a page about the job, or JSON."):argname("FILE.html|FILE.json")
            :target("new_report")
        parser:option("--metrics", "With resume: figures of the run, as OpenMetrics text."):argname("FILE")
            :target("new_metrics")
        sets.reason(parser, "Why: kept with the run that is resumed (default: as before), or the decision.")
        parser:option("--digest", "With approve, refuse: only what has this digest, which was shown elsewhere.")
            :argname("DIGITS")
    end,

    run = function(options)
        if options.action and not actions[options.action] then
            refuse("kmirror jobs cannot '%s': expected show, resume, forget, approve or refuse%s", options.action,
                meant(options.action, actions))
        end
        refuse_useless(options)
        options.store = jobs.store_of(options, options.name)
        if not options.action then return shown.list(options) end
        if not options.name then
            refuse("jobs %s: which job? kmirror jobs lists them", options.action)
        end
        return actions[options.action](options)
    end,
}
