--- journal.runs: how a run of a job begins, alone or among other runners.

local host = require("host")
local shell = require("kmirror.shell")
local stores = require("kmirror.store")
local refuse = require("kmirror.usage")

local M = {}

--- Raises usage when a job is another one than the options are about.
---@param job kmirror.store.job
---@param options { script: string, target: string }
---@param url? string of the store
function M.check_same(job, options, url)
    local otherwise = "give another --job NAME, or start it over: " .. stores.command("forget", job.name, url)
    if job.script ~= options.script then
        refuse("job '%s' belongs to the runbook %s, not to %s: %s", job.name, job.script, options.script, otherwise)
    elseif job.target ~= options.target then
        refuse("job '%s' has changed %s, not %s: %s", job.name, job.target, options.target, otherwise)
    end
end

local function words(args)
    local found = {}
    for i, word in ipairs(args) do found[i] = shell.word(word) end
    return table.concat(found, " ")
end

-- In what several runners have to agree with the one that was there first, and what to do else.
local function check_agreed(self, other)
    local job, run, own = self.job, self.run, self.run.settings
    local who = ("job '%s' is run by %s@%s"):format(job.name, other.user, other.host)
    if other.version ~= run.version then
        refuse("%s with kmirror %s, and this is %s: join it with the same one", who, other.version, run.version)
    elseif other.settings.source_digest ~= own.source_digest then
        refuse("%s with another text of the runbook %s: give all runners the same", who, job.script)
    elseif words(other.args) ~= words(run.args) then
        refuse("job '%s' is run with other arguments by %s@%s: %s; give the same to join it", job.name, other.user,
            other.host, #other.args > 0 and words(other.args) or "none")
    elseif other.settings.world_digest ~= own.world_digest then
        refuse("%s with another cluster, version of the API, or profile: give all runners the same --cluster, --api "
            .. "and clusters, and defaults of runbooks, in their profiles", who)
    elseif (other.settings.approval or false) ~= (own.approval or false) then
        refuse("%s %s --approval: join it %s", who, own.approval and "without" or "with",
            own.approval and "without" or "with --approval")
    elseif own.approval and (other.reason ~= run.reason or other.settings.hooks ~= own.hooks) then
        refuse("%s with another --reason or --hook, and whoever approves it is shown that: give the same", who)
    end
end

-- Those who are at work on the job beside this run.
local function others_of(self)
    local found = {}
    for _, holder in ipairs(self.store:holders(self.job.name)) do
        local is_own = holder.runner:gsub("-", "") == self.lock.runner
        found[holder.host .. holder.pid] = found[holder.host .. holder.pid] or not is_own
    end
    return found
end

-- The one whose run has the lowest number is right: others may be about to be refused, too.
local function check_joined(self)
    local others = others_of(self)
    for _, run in ipairs(self.runs) do
        if run.number >= self.run.number then return end
        if not run.ended and others[run.host .. run.pid] then return check_agreed(self, run) end
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
    -- Another one may have made the job at the same instant.
    M.check_same(self.store:job(self.job.name), self.job, self.run.settings.store)
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
