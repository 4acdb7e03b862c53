--- report: --report and --metrics: files that say what a run does, written as it goes and when it has ended.
---
--- They are written at most once a second, less often where writing takes long, and replaced as a whole: a run that is
--- killed leaves what it had done a second ago.

local again = require("kmirror.again")
local documents = require("kmirror.report.document")
local ended = require("kmirror.ended")
local events = require("kmirror.events")
local fields = require("kmirror.report.fields")
local files = require("kmirror.file")
local host = require("host")
local journal = require("kmirror.report.journal")
local log = require("kmirror.log")
local metrics = require("kmirror.report.metrics")
local problems = require("kmirror.problem")
local profile = require("kmirror.profile")
local records = require("kmirror.report.record")
local sensitive = require("kmirror.sensitive")
local summary = require("kmirror.summary")
local task = require("task")
local refuse = require("kmirror.usage")

local M = {
    of_job = journal.of, -- a document about all runs of a job
    resume = journal.resume, -- the command that goes on with one
    render = documents.render, -- a document as what its file is named for
    fields = fields.text, -- what the JSON has, for help
}

local pause = 1 -- seconds between two writings, at least
local patience = 20 -- times as long as writing took

---@class kmirror.report.reporter
local Reporter = {}
Reporter.__index = Reporter

-- ---- what there is to say ---------------------------------------------------------------------------------

local function quoted(word)
    return word:find("^[%w%._/:=@%%+,-]+$") and word or "'" .. word:gsub("'", "'\\''") .. "'"
end

-- What was asked for, as one would type it: the command, and what it was given.
local function command_of(given)
    local words = { "kmirror", given.command }
    for _, word in ipairs({ given.script or given.file or given.fleet }) do
        words[#words + 1] = quoted(word)
    end
    for _, word in ipairs(sensitive.words(given.rest or {})) do words[#words + 1] = quoted(word) end
    return table.concat(words, " ")
end

local function target_of(given)
    local current = profile.current()
    if given.sandbox then return "the sandbox" end
    return ("%s as %s"):format(current.endpoint or "https://api.instaclustr.com", current.username or "nobody")
end

local function this_run(self)
    return {
        number = #self.earlier + 1, started = self.started, seconds = self.collector:seconds(),
        state = ended.state(self.status, true),
        status = self.status, record = self.collector, under_way = self.collector:under_way(),
    }
end

local function way_on(self)
    local noted = again.noted()
    if noted ~= nil then return noted end
    return self.job and journal.resume(self.job, self.given.store)
end

local function document_of(self)
    local runs = table.move(self.earlier, 1, #self.earlier, 1, {})
    runs[#runs + 1] = this_run(self)
    local given = self.given
    return {
        command = command_of(given), job = self.job, target = target_of(given), runs = runs, error = self.problem,
        resume = self.status ~= 0 and way_on(self) or nil, result = summary.noted(),
    }
end

-- ---- writing ----------------------------------------------------------------------------------------------

local function write_all(self)
    local began = host.monotonic()
    if self.report then
        self.report:write(documents.render(document_of(self), self.report.path), self.status ~= nil)
    end
    if self.metrics then
        self.metrics:write(metrics.of(this_run(self), {
            command = self.given.command, job = self.job, version = host.version,
        }), self.status ~= nil)
    end
    local now = host.monotonic()
    self.due = now + math.max(pause, patience * (now - began))
    self.changed = false
end

-- A run does not end because its report cannot be written.
local function write_quietly(self)
    local ok, problem = pcall(write_all, self)
    self.lost = not ok and tostring(problem) or nil
    if not ok and not self.warned then
        self.warned = true
        log.warn("cannot write the report: %s", tostring(problem))
    end
    if not ok then self.due = host.monotonic() + pause end
end

-- What happens last before a long wait is written, too.
local function keep_writing(self)
    pcall(function()
        while not self.status do
            task.sleep(pause, true)
            if host.monotonic() >= self.due and not self.status then write_quietly(self) end
        end
    end)
end

local function note(self, event)
    if self.status then return end
    self.collector:take(event)
    if host.monotonic() >= self.due then write_quietly(self) end
end

-- ---- beginning and end ------------------------------------------------------------------------------------

-- What is said of it: nothing when the runbook ended by os.exit().
local function words_of(problem, status)
    if status == 130 then return "interrupted" end
    local exited = problems.is(problem, "cancelled")
    return not exited and require("kmirror.uncaught").words(problem) or nil
end

local function finish(self, problem)
    host.settle()
    self.status = self.result or host.status_of(problem)
    self.problem = not self.result and words_of(problem, self.status) or nil
    if self.writer then self.writer:cancel() end
    write_quietly(self)
    if self.lost then
        log.error("the report could not be written: %s", self.lost)
        host.lost_output()
    end
end

Reporter.__close = finish

local function earlier_runs(given)
    if not given.job or given.dry_run or given.read_only then return {} end
    local known = journal.of(given.job, given.store)
    return known and known.runs or {}
end

local function begin(given)
    local self = setmetatable({
        given = given, started = host.time(), due = 0, earlier = earlier_runs(given),
        job = not (given.dry_run or given.read_only) and given.job or nil,
    }, Reporter)
    self.collector = records.new()
    local ok, problem = pcall(function()
        self.report = given.report and files.draft(given.report)
        self.metrics = given.metrics and files.draft(given.metrics)
        write_all(self)
    end)
    if not ok then
        refuse("cannot write %s; give --report and --metrics files that can be written", tostring(problem))
    end
    events.observe()
    events.listen(function(event)
        note(self, event)
    end)
    self.writer = host.background(task.spawn(keep_writing, self))
    return self
end

--- Does what a command does and reports on it, if the command line asks for that. Raises usage when a file cannot be
--- written, and what `work` raises.
---@param given table the command line
---@param work fun(): integer its exit status
---@return integer
function M.around(given, work)
    if not (given.report or given.metrics) then return work() end
    local self <close> = begin(given)
    self.result = work()
    return self.result
end

return M
