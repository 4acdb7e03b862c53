-- retry: one call, in as many attempts as it takes, within its deadline.
local native, task, complete, new_error = ...

local retry = {}

local tracer, wants_attempts

---@alias mirrors.event
---| "attempt"    # one has ended
---| "retry"      # a wait before another
---| "quota"      # it waits longer than a second for what others have used up of the rate, or because of a 429
---| "rate"       # the rate that is found out (rate = "auto") has changed much
---| "alone"      # the quota file cannot be used: this process counts its requests by itself
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
---@field wait? number         seconds before the retry, for the quota, or until a lost create is decided
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
---creates whose answer was lost. Attempts are many: who does not
---want them at times says so.
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

-- How long to wait before another attempt; nil and why when there is to be none.
local function backoff(call, e, hint)
    local account = call.account
    local options = account.options
    if not worth_retrying[e.kind] or is_turned_away(e) then return nil end
    if call.attempts > options.retries then return nil end
    local cost = call.unbudgeted and 0 or e.kind == "timeout" and TIMEOUT_COST or RETRY_COST
    if account.budget < cost then return nil, "the retry budget is used up: too much has failed lately" end
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

-- Waits before another attempt, or raises the error.
local function again(call, e, hint)
    local wait, why = backoff(call, e, hint)
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

-- Goes on with an attempt for as long as it only waits for the quota, and says so.
local function waited(call, ok, ...)
    if ok ~= nil then return ok, ... end
    if tracer then
        local event = event_of(call, "quota")
        event.wait, event.throttled = ...
        event.rate = call.account.rate()
        tracer(event)
    end
    return waited(call, native.go_on(call.native))
end

-- One attempt, within the call's deadline.
local function attempt(call)
    call.attempts = call.attempts + 1
    tell_alone(call)
    if call.renew then call.native = call.renew() end
    local ok, result, maybe_done, hint, told = waited(call, native.attempt(call.native, time_left(call)))
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
    return ok, result, maybe_done, hint
end

local function succeeded(account)
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
