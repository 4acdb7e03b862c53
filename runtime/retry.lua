-- retry: one call, in as many attempts as it takes, within its deadline.
local native, task, complete, new_error, Outage = ...

local retry = {}

local tracer, wants_attempts

---@alias mirrors.event
---| "attempt"    # one has ended
---| "retry"      # a wait before another
---| "quota"      # it waits longer than a second for what others have used up of the rate, or because of a 429
---| "rate"       # the rate that is found out (rate = "auto") has changed much
---| "key"        # after a 401 the API key was read again, and is another one
---| "alone"      # the quota file cannot be used: this process counts its requests by itself
---| "away"       # the API does not answer, and is asked now and then whether it does; after each question, too
---| "back"       # it does
---| "stood_by"   # a call has waited for that
---| "lost"       # this and those below: of a create whose answer was lost
---| "adopted"
---| "undone"
---| "undecided"

---@class mirrors.Event
---@field what mirrors.event
---@field operation string
---@field cluster string
---@field id? string
---@field attempt integer      from 1
---@field error? mirrors.Error  of a failed attempt, and of the one before a retry
---@field wait? number         seconds before the retry, for the quota, until a lost create is decided, or until the API
---                            is asked again; those for which a call has stood by
---@field away? number         seconds for which the API is, or was, away
---@field patience? number     seconds for which it may be
---@field rate? number         requests a second, of a wait for the quota; the rate that was found out
---@field expected? boolean    of a retry: it is how a rate is found out
---@field rejected? boolean    of a rate that was found out: by a 429
---@field throttled? boolean   of such a wait: a 429 is why
---@field file? string         the quota file that cannot be used
---@field problem? string      why not
---@field granted? number      of an attempt: when it was let go, on task.now()'s clock; 0: it did not come to that
---@field sent number
---@field ended number

---Tells a function of every attempt that was answered or failed, of every wait before a retry, and of what becomes of
---creates whose answer was lost. Attempts are many: who does not always want them can say so.
---@param fn? fun(event: mirrors.Event)
---@param wants? fun(): boolean  asked before each attempt is told; without it, all are
function retry.trace(fn, wants)
    tracer, wants_attempts = fn, wants
end

---Passes on what the ledger has to tell.
---@param news table
function retry.tell(news)
    if not tracer then return end
    tracer { what = news.what, operation = "create", cluster = news.cluster, id = news.id, error = news.error,
        wait = news.wait }
end

-- After AWS's SDKs: a call that has to be retried pays, one that succeeds at once pays back, and when nothing is
-- left an outage is not made worse by retrying.
retry.BUDGET = 500
local RETRY_COST <const>, TIMEOUT_COST <const> = 5, 10

-- Whether there has been a moment from which on no change is sent: for most runs there is none, and nothing to ask.
retry.fenced = false

-- Waits until changes may be sent again, or raises why they may not: see mirrors.changes_until().
function retry.until_allowed() error(new_error("store", "no change may be sent any more"), 0) end

local LONGEST_BACKOFF <const> = 20 -- seconds
local LONGEST_HINT <const> = 300   -- seconds of Retry-After that are believed
local HINT_SLACK <const> = 5       -- seconds that may be added to it
local THROTTLED <const> = 4        -- times the backoff after a 429

local worth_retrying = { rate_limited = true, server = true, timeout = true, transport = true }

local function event_of(call, what, e)
    local granted, sent, ended = native.times(call.native)
    return { what = what, operation = call.operation, cluster = call.cluster, id = call.id, attempt = call.attempts,
        error = e, granted = granted, sent = sent, ended = ended }
end

-- It was not sent, as a 429 holds everything longer than the call may take.
local function is_turned_away(e)
    return e.kind == "rate_limited" and not e.status
end

-- An answer that says that it was done, and is spoiled. Only a create that was looked for, and is not there, is sent
-- again after one: what is read again would be no better.
local function is_spoiled(call, e)
    return call.operation == "create" and e.kind == "protocol" and (e.status or 0) // 100 == 2
end

-- How long to wait before another attempt; nil and why when there is to be none.
local function backoff(call, e, hint)
    local account = call.account
    local options = account.options
    if not (worth_retrying[e.kind] or is_spoiled(call, e)) or is_turned_away(e) then return nil end
    if call.attempts > options.retries then return nil end
    local cost = call.unbudgeted and 0 or e.kind == "timeout" and TIMEOUT_COST or RETRY_COST
    if account.budget < cost then
        return nil, "the retry budget is used up: too much has failed lately"
    end
    local base = options.backoff * (e.kind == "rate_limited" and THROTTLED or 1)
    local wait = math.random() * math.min(LONGEST_BACKOFF, base * 2 ^ (call.attempts - 1))
    if hint then
        local believed = math.min(hint, LONGEST_HINT)
        wait = math.max(believed, math.min(wait, believed + HINT_SLACK))
    end
    if task.now() + wait >= call.until_ then
        local asked = hint and ("it asks to wait %.0f s, and by then "):format(hint) or ""
        return nil, ("%sthe deadline of %g s is over"):format(asked, options.deadline)
    end
    account.budget = account.budget - cost
    return wait
end

local function of_call(call, e)
    e.operation, e.cluster, e.id, e.attempts = call.operation, call.cluster, call.id, call.attempts
    return e
end

-- Whether a call waits out an outage, and the error looks like one.
local function waits_out(call, e)
    return call.outage and Outage.looks_like(e)
end

-- The same as backoff() for what is tried for as long as an outage may last: no number of attempts, no budget.
local function patient_backoff(call, e, hint)
    local options = call.account.options
    call.until_, call.failing = nil, call.failing or task.now()
    local most = math.min(LONGEST_BACKOFF, options.backoff * 2 ^ math.min(call.attempts - 1, 10))
    local wait = math.max(math.random() * most, math.min(hint or 0, LONGEST_HINT))
    if task.now() + wait >= call.failing + options.outage then
        error(of_call(call, Outage.too_long(e, call.failing, options)), 0)
    end
    return wait
end

local stand_by

-- Whether there is another key than the one that a 401 was about.
local function has_new_key(call, e)
    local renewed, was_read = call.account.renew(call, e)
    if was_read and tracer then tracer(event_of(call, "key")) end
    return renewed
end

-- Waits before another attempt, or raises the error.
local function again(call, e, hint)
    if e.kind == "unauthorized" and has_new_key(call, e) then return end
    local patient = waits_out(call, e)
    if patient and call.outage.closed then return stand_by(call) end
    if not patient then call.failing = nil end
    local wait, why = (patient and patient_backoff or backoff)(call, e, hint)
    if not wait then
        if why then e.message = ("%s; %s"):format(e.message, why) end
        error(e, 0)
    end
    if tracer then
        local event = event_of(call, "retry", e)
        event.wait = wait
        event.expected = e.kind == "rate_limited" and call.account.options.rate == "auto"
        tracer(event)
    end
    task.sleep(wait)
end

-- The deadline begins when the first attempt is let go: waiting for the quota is not the call's fault.
local function begin_deadline(call)
    local granted = native.times(call.native)
    call.until_ = (granted > 0 and granted or task.now()) + call.account.options.deadline
end

-- For the next attempt, and for the call as a whole.
local function time_left(call)
    local options = call.account.options
    if not call.until_ then return options.timeout, options.deadline end
    local left = math.max(0.001, call.until_ - task.now())
    return math.min(options.timeout, left), left
end

-- The result from the answer, where that is not what it is.
local function read(call, answer)
    local result, kind, message = call.read(answer, call.cluster)
    if kind then return false, new_error(kind, message), true end
    return true, result
end

local told_alone = setmetatable({}, { __mode = "k" }) -- by governor

local function tell_alone(call)
    local governor = call.account.governor
    local problem = native.alone(governor)
    if not problem or told_alone[governor] or not tracer then return end
    told_alone[governor] = true
    local event = event_of(call, "alone")
    event.file, event.problem = call.account.options.quota_file, problem
    tracer(event)
end

local told_rates = setmetatable({}, { __mode = "k" }) -- { when it was told of, when it was looked at } by governor
local WORTH_TELLING <const> = 1.2 -- times as much, or as little

-- Tells of a rate that is found out when it is another than it was.
local function tell_rate(call)
    local account = call.account
    if account.options.rate ~= "auto" or not tracer then return end
    local rate = account.rate()
    local told = told_rates[account.governor]
    if not told then
        told_rates[account.governor] = { rate, rate }
        return
    end
    local rejected = rate < told[2]
    told[2] = rate
    if math.max(rate / told[1], told[1] / rate) < WORTH_TELLING then return end
    told[1] = rate
    local event = event_of(call, "rate")
    event.rate, event.rejected = rate, rejected
    tracer(event)
end

local function tell_outage(call, what, e, fields)
    if not tracer then return end
    local event, outage = event_of(call, what, e), call.outage
    event.away = outage.since and task.now() - outage.since
    event.wait, event.patience = outage.next and outage.next - task.now(), call.account.options.outage
    for name, value in pairs(fields or {}) do event[name] = value end
    tracer(event)
end

-- What an attempt tells of an outage.
local function note_outage(call, ok, e)
    local outage = call.outage
    if not ok and Outage.looks_like(e) then
        if outage:failed(e, call.account.options) then
            native.recall(call.account.governor) -- who waits for the quota only stands by from now on
            tell_outage(call, "away", e)
        end
    elseif ok or e.status then
        local away = outage:answered()
        if away then tell_outage(call, "back", nil, { away = away }) end
    end
end

local function tell_quota(call, seconds, throttled)
    if not tracer then return end
    local event = event_of(call, "quota")
    event.wait, event.throttled, event.rate = seconds, throttled, call.account.rate()
    tracer(event)
end

-- Sends it, and waits for what comes back; tells of it while it only waits for the quota. Nil when it was recalled.
local function exchange(call)
    local ok, result, maybe_done, hint, told = native.attempt(call.native, time_left(call))
    while ok == nil and result do
        tell_quota(call, result, maybe_done) -- which are seconds, and whether because of a 429
        ok, result, maybe_done, hint, told = native.go_on(call.native)
    end
    return ok, result, maybe_done, hint, told
end

-- One attempt, within the call's deadline.
local function attempt(call)
    local ok, result, maybe_done, hint, told
    call.attempts = call.attempts + 1
    tell_alone(call)
    repeat
        if call.outage and call.outage.closed then stand_by(call) end
        if call.renew then call.native = call.renew() end
        while retry.fenced and native.is_late(call.native) do retry.until_allowed() end
        ok, result, maybe_done, hint, told = exchange(call)
    until ok ~= nil
    if ok and call.read then ok, result, maybe_done = read(call, result) end
    if not ok then
        if not call.until_ then begin_deadline(call) end
        complete(call, result, told)
        if call.judge then call.judge(result, told) end
    end
    if tracer and (not wants_attempts or wants_attempts()) then
        tracer(event_of(call, "attempt", not ok and result or nil))
    end
    tell_rate(call)
    if call.outage then note_outage(call, ok, result) end
    return ok, result, maybe_done, hint
end

-- Whether the API is back is told by a list, of which nothing can come.
local function question(call)
    local ok, e = attempt(call.account.probe(call.cluster))
    if not ok and e.kind == "cancelled" then error(e, 0) end
    if not ok and Outage.looks_like(e) then return e end
    local away = call.outage:answered() -- also when it says no: that is for the call to find out
    if away then tell_outage(call, "back", nil, { away = away }) end
end

-- Waits for an outage to end; raises the error when it takes too long.
function stand_by(call)
    local began = task.now()
    local e = call.outage:stand_by(call.account.options, function() return question(call) end, function(problem)
        tell_outage(call, "away", problem)
    end)
    call.until_, call.failing = nil, nil -- its time begins once more
    if e then error(of_call(call, e), 0) end
    tell_outage(call, "stood_by", nil, { wait = task.now() - began })
end

---Waits until the API can be asked at all. Raises the error when that takes too long.
---@param call table
function retry.stand_by(call)
    if call.outage and call.outage.closed then stand_by(call) end
end

local function succeeded(account)
    account.unproved = nil
    if account.budget < retry.BUDGET then account.budget = account.budget + 1 end
end

-- A 410 may be about the endpoint; after an attempt that met none it is about the mirror.
local function is_gone(e) return e.kind == "not_found" or e.status == 410 end

---Does what may be done again without harm: list, get, delete, latency.
---@param call table
---@return any  the decoded answer
function retry.perform(call)
    local ever_maybe_done = false
    while true do
        local ok, result, maybe_done, hint = attempt(call)
        if ok then
            succeeded(call.account)
            return result
        end
        if call.operation == "delete" and ever_maybe_done and is_gone(result) then return nil end
        ever_maybe_done = ever_maybe_done or maybe_done
        again(call, result, hint)
    end
end

-- What an attempt to create came to, in the words of reconcile.lua.
local function outcome_of(ok, result, maybe_done)
    if ok then return "created" end
    if maybe_done then return "lost" end
    return result.status and "rejected" or "unsent"
end

---Makes a mirror. It is never sent again blindly: the ledger looks first whether it was made.
---@param call table
---@param how? reconcile.how
---@return string id
function retry.create(call, how)
    local hint
    local function send()
        local ok, result, maybe_done
        ok, result, maybe_done, hint = attempt(call)
        if ok then succeeded(call.account) end
        return outcome_of(ok, result, maybe_done), result
    end
    return call.account.ledger:create(call.cluster, call.spec, send, function(e) again(call, e, hint) end, how)
end

return retry
