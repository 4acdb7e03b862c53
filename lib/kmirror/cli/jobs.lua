local host = require("host")
local jobs = require("kmirror.jobs")
local usage = require("kmirror.usage")

local actions = {}

function actions.show(options)
    return jobs.show(options)
end

function actions.resume(options)
    if options.json then usage("kmirror jobs resume has no --json: it is the run of a runbook") end
    return require("kmirror.cli").run(require("kmirror.job").resumed(options))
end

function actions.forget(options)
    local status = jobs.forget(options)
    if host.directory() then os.remove(require("kmirror.job").sandbox_state(options.name)) end
    return status
end

---@type kmirror.command
return {
    name = "jobs",
    arguments = "[show|resume|forget JOB]",
    summary = "Jobs: runs of a runbook that can be taken up again.",
    details = [[
kmirror run --job NAME makes a job: each change is written down before it is
sent and after it was answered. Run again under the same name, or by jobs
resume, it does what is left; nothing is done twice.

Without arguments lists all jobs. show has one in full, resume runs its runbook
again with the same arguments, forget removes its record.

With --json: an array of {"name", "state", "script", "target", "created",
"runs", "started", "ended", "status", "done", "failed", "unanswered",
"unasked"}; show has "history" and "changes", too.]],
    sets = { "results", "messages", "store", "assent" },

    define = function(parser)
        parser:argument("action", "What to do."):args("?"):argname("show|resume|forget")
            :choices({ "show", "resume", "forget" })
        parser:argument("name", "The job."):args("?"):argname("JOB")
    end,

    run = function(options)
        if not options.action then return jobs.list(options) end
        if not options.name then
            usage("kmirror jobs %s: which job? kmirror jobs lists them", options.action)
        end
        return actions[options.action](options)
    end,
}
