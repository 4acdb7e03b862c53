local files = require("kmirror.file")
local jobs = require("kmirror.jobs")
local log = require("kmirror.log")
local report = require("kmirror.report")
local refuse = require("kmirror.usage")

local function write(path, content)
    if path == "-" then
        io.stdout:write(content)
        return
    end
    local ok, problem = pcall(files.write, path, content)
    if not ok then refuse("cannot write %s", tostring(problem)) end
    log.info("wrote %s", path)
end

---@type kmirror.command
return {
    name = "report",
    summary = "A report of a job, from its journal.",
    details = [[
Writes a page about all runs of a job: the changes, when they were sent and
answered, and what came of them. FILE is JOB.html by default; a name that ends
in .json gets JSON, - is standard output.

Reads are not in the journal. A run with --report FILE has them, too, and the
quota and the lag of the mirrors over time.

JSON, here and by --report FILE.json, has these fields. Unknown ones are to be
ignored: there may be more.

]] .. report.fields(),
    sets = { "store", "messages" },

    define = function(parser)
        parser:argument("JOB", "The job."):argname("JOB"):target("job_name")
        parser:argument("FILE", "Where to; default: JOB.html."):args("?"):argname("FILE"):target("report_file")
    end,

    run = function(options)
        local store = jobs.store_of(options, options.job_name)
        local document = report.of_job(options.job_name, store)
        if not document then
            refuse("there is no job '%s'; kmirror jobs lists them", options.job_name)
        end
        local run = document.runs[#document.runs]
        if document.unfinished and run.state ~= "running" then
            document.resume = report.resume(options.job_name, options.store)
        end
        local path = options.report_file or options.job_name .. ".html"
        write(path, report.render(document, path))
        return 0
    end,
}
