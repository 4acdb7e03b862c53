--- journal.runs: how a run of a job begins, alone or among other runners.

local host = require("host")
local shell = require("kmirror.shell")
local refuse = require("kmirror.usage")

local M = {}

--- Raises usage when a job is another one than the options are about.
---@param job kmirror.store.job
---@param options { script: string, target: string }
function M.check_same(job, options)
    if job.script ~= options.script then
        refuse("job '%s' belongs to the runbook %s, not to %s: give another --job NAME, or start it over: "
            .. "kmirror jobs forget %s", job.name, job.script, options.script, job.name)
    elseif job.target ~= options.target then
        refuse("job '%s' has changed %s, not %s: give another --job NAME, or start it over: kmirror jobs forget %s",
            job.name, job.target, options.target, job.name)
    end
end

local function words(args)
    local found = {}
    for i, word in ipairs(args) do found[i] = shell.word(word) end
    return table.concat(found, " ")
end

-- In what several runners have to agree. The one whose run has the lower number is right.
local function check_joined(self)
    local holders = {}
    for _, holder in ipairs(self.store:holders(self.job.name)) do
        holders[holder.host .. holder.pid] = true
    end
    for _, run in ipairs(self.runs) do
        local other = run.number < self.run.number and not run.ended and holders[run.host .. run.pid]
        if other and run.version ~= self.run.version then
            refuse("job '%s' is run by %s@%s with kmirror %s, and this is %s: join it with the same one",
                self.job.name, run.user, run.host, run.version, self.run.version)
        elseif other and run.settings.source_digest ~= self.run.settings.source_digest then
            refuse("job '%s' is run by %s@%s with another text of the runbook %s: give all runners the same",
                self.job.name, run.user, run.host, self.job.script)
        elseif other and words(run.args) ~= words(self.run.args) then
            refuse("job '%s' is run with other arguments by %s@%s: %s; give the same to join it", self.job.name,
                run.user, run.host, #run.args > 0 and words(run.args) or "none")
        end
    end
end

local function is_same(one, other)
    return one.host == other.host and one.pid == other.pid and one.started == other.started
end

-- Another runner may take the next number at the same instant.
local function begin_among_others(self)
    check_joined(self)
    while true do
        self.store:begin_run(self.job, self.run, true)
        self.runs = self.store:runs(self.job.name)
        if is_same(self.runs[self.run.number], self.run) then break end
        self.run.number = #self.runs + 1
    end
    M.check_same(self.store:job(self.job.name), self.job) -- another one may have made it at the same instant
    check_joined(self)
end

--- Begins a run of the job, and writes it down.
---@param self kmirror.journal
---@param options kmirror.journal.options
---Raises usage when the job is run otherwise by others with whom it is shared.
function M.begin(self, options)
    self.run = {
        number = #self.runs + 1, args = options.args or {}, directory = options.directory or ".",
        settings = options.settings or {}, started = host.time(), user = self.store.user or host.user(),
        host = host.machine(), pid = host.process(), version = host.version, reason = options.reason,
    }
    if self.joint then
        begin_among_others(self)
    else
        self.store:begin_run(self.job, self.run)
    end
    self.runs[self.run.number] = self.run
end

return M
