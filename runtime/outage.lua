-- outage: what is done while the API is away. Whoever has something to ask stands by, one of them asks now and then
-- whether it is back, and nothing else is sent. How long that goes on is the option `outage`.
local task, new_error = ...

-- So many attempts in a row without an answer are an outage; fewer are bad luck, and retried as such.
local FAILURES <const> = 5

-- Seconds between two questions: FIRST times the option `backoff`, then twice as long each time.
local FIRST <const>, LONGEST <const> = 4, 15

local LOOK <const> = 0.2 -- seconds between two looks of those who stand by

---@class mirrors.Outage of an account; without `closed` there is none
---@field failures integer  attempts in a row that were not answered
---@field since? number     when the first of them ended, on task.now()'s clock
---@field last? number      when the last of them ended
---@field closed? number    when that made an outage
---@field error? mirrors.Error  of the last of them
---@field next? number      when it is asked again
---@field asked integer     how often it was asked
---@field asking? boolean   somebody sees to that
---@field past number       seconds of earlier outages
local Outage = {}
Outage.__index = Outage

---@return mirrors.Outage
function Outage.new()
    return setmetatable({ failures = 0, asked = 0, past = 0 }, Outage)
end

---Whether an error is what an outage looks like: no connection, no answer in time, or a gateway's word for it. What a
---server refuses (401, 403), what is no API, and what fails in TLS will not pass by itself.
---@param e mirrors.Error
---@return boolean
function Outage.looks_like(e)
    return e.kind == "transport" or e.kind == "timeout" or e.kind == "server" and (e.status or 0) >= 502
end

---Seconds on a clock that stands still during outages: for whoever gives the API a time to do something.
---@return number
function Outage:now()
    local now = task.now()
    return now - self.past - (self.closed and now - self.closed or 0)
end

-- ---- what attempts tell ----

local function ask_later(self, backoff)
    local wait = math.min(LONGEST, FIRST * backoff * 2 ^ math.min(self.asked, 10))
    self.next = task.now() + wait * (0.75 + math.random() / 4)
    self.asked = self.asked + 1
end

---Takes note of an attempt that was answered.
---@return number? seconds  for which the API was away, when that ends an outage
function Outage:answered()
    if self.failures == 0 then return nil end
    local away = self.closed and task.now() - self.since
    if self.closed then self.past = self.past + task.now() - self.closed end
    self.failures, self.since, self.closed, self.asked = 0, nil, nil, 0
    return away or nil
end

---Takes note of an attempt that was not.
---@param e mirrors.Error
---@param options mirrors.Options
---@return boolean began  an outage
function Outage:failed(e, options)
    local now = task.now()
    if self.last and now - self.last > options.outage then self:answered() end -- long ago, and nobody has asked since
    self.failures, self.since, self.last, self.error = self.failures + 1, self.since or now, now, e
    if self.closed or self.failures < FAILURES then return false end
    self.closed = now
    ask_later(self, options.backoff)
    return true
end

-- ---- standing by ----

---Seconds as people say them.
local function words(seconds)
    return seconds < 120 and ("%.3g s"):format(seconds) or ("%.0f minutes"):format(seconds / 60)
end

---What it comes to when it takes too long.
---@param e mirrors.Error  of the last attempt
---@param since number
---@param options mirrors.Options
---@return mirrors.Error
function Outage.too_long(e, since, options)
    return new_error(e.kind, ("%s; the API has been away for %s: to wait longer than %s, give more to --outage, or to "
        .. "the option outage"):format(e.message, words(task.now() - since), words(options.outage)),
        { status = e.status })
end

-- Asks once it is time. The others may look meanwhile, but do not ask.
local function ask(self, options, question, tell)
    task.sleep(math.max(0, math.min(self.next, self.since + options.outage) - task.now()))
    if not self.closed or task.now() < self.next then return end
    local e = question()
    if not e then return end
    self.error, self.last = e, task.now()
    ask_later(self, options.backoff)
    tell(e)
end

---Waits until the API answers again.
---@param options mirrors.Options
---@param question fun(): mirrors.Error?  asks it something, and says why that was not answered; nil when it was
---@param tell fun(e: mirrors.Error)  told of each question that was not
---@return mirrors.Error?  when that takes longer than the option `outage` allows
function Outage:stand_by(options, question, tell)
    while self.closed do
        if task.now() >= self.since + options.outage then
            return Outage.too_long(self.error, self.since, options)
        end
        if self.asking then
            task.sleep(math.min(LOOK, options.backoff))
        else
            self.asking = true
            local ok, e = pcall(ask, self, options, question, tell) -- no <close> variable: see reconcile.lua
            self.asking = false
            if not ok then error(e, 0) end
        end
    end
end

return Outage
