--- approval: four eyes: a run of a job goes on only when another user of the store has approved just what it shows.
---
--- What is asked for is written into the store as it is shown, with a digest of it. Who approves is shown the same, and
--- approves that digest; the store sees to it that this is somebody else. The waiting asks nothing but the store.

local host = require("host")
local json = require("kmirror.json")
local log = require("kmirror.log")
local mirrors = require("mirrors")
local moment = require("kmirror.moment")
local sensitive = require("kmirror.sensitive")
local shell = require("kmirror.shell")
local stores = require("kmirror.store")
local task = require("task")
local terminal = require("kmirror.terminal")
local text = require("kmirror.text")
local refuse = require("kmirror.usage")

local M = {}

local first_pause, longest_pause = 0.5, 2 -- seconds between two looks at the store
local reminder = 300 -- seconds after which it is said again what is waited for

--- Where a store can tell users apart.
---@param store kmirror.store
---@return boolean
function M.is_possible(store)
    return store.ask_approval ~= nil
end

--- Raises usage where a store has only one user.
---@param store kmirror.store
function M.check(store)
    if not M.is_possible(store) then
        refuse("an approval takes a store with users of its own, so that another one can give it: give --store "
            .. "postgresql://…; a SQLite file cannot tell who looks into it")
    end
end

--- The digest of what is shown.
---@param shown string
---@return string
function M.digest(shown)
    return host.hmac_sha256("kmirror approval", shown)
end

--- The first digits of it, for people.
---@param digest string
---@return string
function M.short(digest)
    return digest:sub(1, 12)
end

-- ---- what is shown ------------------------------------------------------------------------------------------

local function command_of(job, run)
    local is_command, settings = job.script:find("^kmirror %a+$"), run.settings
    local words = { is_command and job.script or shell.word(job.script) }
    words[#words + 1] = settings.fleet and shell.word(settings.fleet)
    words[#words + 1] = settings.prune and "--prune"
    for _, argument in ipairs(sensitive.words(run.args)) do
        words[#words + 1] = shell.word(argument)
    end
    return table.concat(words, " ")
end

-- Hooks of kmirror's own run beside the runbook, whatever that says.
local function add_hooks(lines, settings)
    for _, hook in ipairs(settings.hooks and json.decode(settings.hooks) or {}) do
        lines[#lines + 1] = ("Hook:     %s=%s"):format(hook.step, hook.command)
    end
end

-- All that somebody should know who approves it.
local function shown_of(opened, summary)
    local job, run = opened.job, opened.run
    local lines = {
        "Job:      " .. job.name,
        "Runbook:  " .. command_of(job, run),
        "Changes:  " .. job.target,
    }
    lines[#lines + 1] = run.reason and "Reason:   " .. run.reason or nil
    add_hooks(lines, run.settings)
    return mirrors.printable(table.concat(lines, "\n") .. "\n\n" .. summary:gsub("%s+$", "") .. "\n", true)
end

--- The same for a terminal of that width: what is long is broken between words.
---@param shown string
---@param columns? integer
---@return string
function M.fitted(shown, columns)
    local lines = {}
    for line in shown:gmatch("([^\n]*)\n") do
        local label, rest = line:match("^(%a+: +)(.*)$")
        lines[#lines + 1] = label and label .. text.message(rest, columns, #label) or line
    end
    return table.concat(lines, "\n") .. "\n"
end

-- ---- asking -------------------------------------------------------------------------------------------------

local function because(row)
    return row.why and ": " .. row.why or ""
end

local function decided(row)
    return ("%s at %s"):format(row.decided_by, moment.shown(row.decided_at))
end

-- What an earlier run has asked for. Returns whether it is approved, and nothing is left to ask.
local function look_back(row, digest)
    if not row then
        return false
    elseif row.digest ~= digest then
        log.warn("what an earlier run has asked an approval for has changed in the meantime: it is asked for anew")
    elseif row.state == "approved" then
        log.info("approved already by %s%s", decided(row), because(row))
        return true
    elseif row.state == "refused" then
        log.warn("it was refused by %s%s; it is asked for anew", decided(row), because(row))
    end
    return false
end

-- Of those who share a job, the first one asks, and all wait.
local function is_asked_by_others(opened, row, digest)
    return opened.run.settings.join and row and row.digest == digest and row.state == "asked" and row.left > 0
end

-- For somebody else: without the user, who is not the one to approve it.
local function store_of(opened, for_others)
    local store = opened.run.settings.store
    return store and for_others and store:gsub("^(%a+://)[^@/]*@", "%1") or store
end

local function tell(opened, shown, row)
    local name, store = opened.job.name, store_of(opened, true)
    log.info("an approval is needed before anything is changed")
    io.stderr:write("\n", M.fitted(shown, terminal.of(io.stderr).width), "\n")
    log.info("job %s waits until %s, for %s, for another user of the store than %s (digest %s)", opened.job.name,
        moment.shown(host.time() + row.left), moment.span(row.left), row.asked_by, M.short(row.digest))
    io.stderr:write("to approve:  ", stores.command("approve", name, store), "\n",
        "to refuse:   ", stores.command("refuse", name, store), " --reason TEXT\n")
end

local function fail(what, ...)
    error("not approved: " .. what:format(...) .. "; nothing was changed", 0)
end

-- What came of it; nil while nobody has decided.
local function outcome(opened, digest)
    local row = opened.store:approval(opened.job.name)
    if not row or row.digest ~= digest then
        fail("what it was asked for has changed in the meantime, by another run of the job")
    elseif row.state == "refused" then
        fail("refused by %s%s", decided(row), because(row))
    elseif row.state == "approved" then
        log.info("approved by %s%s", decided(row), because(row))
        return true
    elseif row.left <= 0 then
        fail("nobody has decided in time, until %s; to ask again: %s", moment.shown(host.time() + row.left),
            stores.command("resume", opened.job.name, store_of(opened)))
    end
    return nil, row
end

-- Says, when the waiting is interrupted, that what was asked for is still there.
local function told_at_end(opened)
    return setmetatable({}, { __close = function(_, problem)
        if type(problem) == "table" and problem.kind == "cancelled" then
            log.info("what was asked for can still be approved; the job goes on then when it is resumed")
            opened.waited = true
        end
    end })
end

local function wait(opened, digest)
    local _ <close> = told_at_end(opened)
    local pause, told = first_pause, task.now()
    while true do
        local done, row = outcome(opened, digest)
        if done then
            return
        elseif task.now() - told >= reminder then
            told = task.now()
            log.info("still waiting for an approval of job %s, for %s at most", opened.job.name, moment.span(row.left))
        end
        task.sleep(math.min(pause, math.max(row.left, 0) + 0.1))
        pause = math.min(pause * 1.2, longest_pause)
    end
end

--- Goes on when another user has approved that. What was approved in an earlier run need not be approved again, if it
--- is the same.
---@param opened kmirror.journal of the job
---@param summary string what the run would do
---@param seconds number for how long it may be waited for
---@return boolean waited
---Raises that it was refused, that nobody has decided in time, or that it has changed in the meantime; usage where the
---store knows one user; `store`; and `cancelled`.
function M.ask(opened, summary, seconds)
    M.check(opened.store)
    local shown = shown_of(opened, summary)
    local digest = M.digest(shown)
    local row = opened.store:approval(opened.job.name)
    if look_back(row, digest) then
        return false
    elseif not is_asked_by_others(opened, row, digest) then
        row = opened.store:ask_approval(opened.job.name, {
            run = opened.run.number, digest = digest, shown = shown, seconds = seconds,
        })
    end
    tell(opened, shown, row)
    wait(opened, digest)
    return true
end

-- ---- deciding -----------------------------------------------------------------------------------------------

--- What a job waits for somebody to approve. Raises usage when there is nothing of that kind.
---@param store kmirror.store
---@param name string of the job
---@return kmirror.store.approval
function M.pending(store, name)
    M.check(store)
    local row = store:approval(name)
    if not row then
        refuse("job '%s' has not asked for an approval", name)
    elseif row.state ~= "asked" then
        refuse("job '%s': it was %s by %s%s", name, row.state, decided(row), because(row))
    elseif row.left <= 0 then
        refuse("job '%s' has waited in vain, until %s: it has to be resumed to ask again", name,
            moment.shown(host.time() + row.left))
    elseif M.digest(row.shown) ~= row.digest then
        refuse("what job '%s' asks for is damaged in the store: its digest does not match", name)
    end
    return row
end

local problems = {
    changed = "what job '%s' asks for has changed in the meantime: nothing was decided; look at it again",
    late = "job '%s' has waited in vain: it has to be resumed to ask again",
    decided = "somebody else has decided about job '%s' in the meantime: see %s",
    self = "job '%s' was asked for by yourself: it takes another user of the store to approve it",
}

--- Approves or refuses what is pending. Raises usage when that cannot be done (any more).
---@param store kmirror.store
---@param name string of the job
---@param row kmirror.store.approval as it was shown
---@param state "approved"|"refused"
---@param why? string
function M.decide(store, name, row, state, why)
    local answer = store:decide_approval(name, { digest = row.digest, state = state, why = why })
    if answer == "done" then return end
    refuse(problems[answer] or problems.changed, name, stores.command("show", name, store.url))
end

return M
