--- quota: the rate of an account, shared by runners on several machines. There is one window for each account, in the
--- database that a store is in, by the database's clock; each runner leases the moments of a few requests at a time,
--- ahead of need, so that none waits for the database (runtime/leased.c uses them up). What one runner learns, of a 429
--- or of a rate that is found out, is in the window, too, and so counts for all.
---
--- When the database is away, a runner goes on apart, with a fraction of the rate, or not at all: as is set. It says
--- why, and comes back by itself.

local clock = require("kmirror.quota.clock")
local host = require("host")
local log = require("kmirror.log")
local postgres = require("postgres")
local sharing = require("sharing")
local task = require("task")
local window = require("kmirror.quota.window")

local M = {}

local patience <const> = 2 -- seconds to wait for the database, before going on apart
local retry <const> = 1 -- seconds between attempts to come back
local settle <const> = 2 -- seconds in which nothing goes out then: all who are apart find out meanwhile
local margin <const> = 0.025 -- seconds: a moment may be used 0.012 late, clocks are told apart, and ways differ

-- Moments for so many seconds are leased at once, and for two round trips more; in a crowd, whose moments are further
-- ahead than that, fewer.
local ahead <const> = 0.1
local crowded <const> = 0.4
local learning <const> = 0.25 -- seconds ahead, of a rate that is found out: it may be another by then

---@class kmirror.quota.share
---@field share userdata the governor's moments
---@field url string
---@field account string
---@field rate number|"auto"
---@field fraction number of the rate that is used apart; 0: nothing goes out
---@field connection userdata|nil
---@field window kmirror.quota.window|nil
---@field away boolean
---@field round_trip number seconds
---@field learnt number[] the rate that is found out, and its stride, as the window has them
---@field later number|nil when to ask once more for what was too far ahead
local Share = {}
Share.__index = Share

-- ---- leasing ----------------------------------------------------------------------------------------------

-- How many moments to hold.
local function most_of(self, leased, now)
    local rate = self.rate == "auto" and leased.rate or self.rate
    local most = math.max(2, rate * (ahead + 2 * self.round_trip))
    local first = leased.moments[1]
    local further = first and self.clock:here(first) - now or 0
    return math.max(1, most * math.min(1, crowded / math.max(further, 0.001)))
end

local function here(self, moments)
    local its = {}
    for i, moment in ipairs(moments) do its[i] = self.clock:here(moment) end
    return its
end

local function there(self, moments)
    local theirs = {}
    for i, moment in ipairs(moments) do theirs[i] = self.clock:there(moment) end
    return theirs
end

local function wish_of(self, count)
    local rate, stride = self.share:learnt()
    local late, late_at = self.share:late()
    if not self.clock.seen then late, late_at = {}, {} end
    return {
        count = count, lead = self.round_trip + 0.002, rate = self.rate == "auto" and 0 or self.rate, margin = margin,
        generation = self.generation, found = rate, stride = stride, ahead = learning,
        late = late, late_at = there(self, late_at), pause = self.away and settle or 0,
    }
end

-- Leases so many; nil and a problem when that fails.
local function lease(self, count)
    local wish = wish_of(self, count)
    local leased, problem, asked = self.window:lease(wish)
    if not leased then return nil, problem end
    local now = task.now()
    self.clock:note(asked, now, leased.now)
    self.round_trip = math.max(now - asked, self.round_trip * 0.9)
    self.share:learn(leased.rate, leased.stride, leased.paused, leased.first)
    self.share:lease(here(self, leased.moments), leased.proves, leased.first, most_of(self, leased, now),
        self.clock:here(leased.not_before))
    self.generation, self.learnt = leased.generation, { self.share:learnt() }
    self.later = leased.later and self.clock:here(leased.later) - learning
    return true
end

-- ---- what was rejected ------------------------------------------------------------------------------------

local function rejected_of(self)
    local rejected = {}
    while true do
        local number, went, seconds = self.share:rejected()
        if not number then break end
        rejected[#rejected + 1] = { number = number, went = self.clock:there(went), seconds = seconds }
    end
    table.sort(rejected, function(a, b) return a.went < b.went end)
    return rejected
end

-- Tells of requests that were rejected, for all to slow down.
local function slow_down(self)
    local rejected = rejected_of(self)
    if #rejected == 0 then return true end
    return self.window:reject(rejected, function(row, accepted)
        row.throttled_at = row.throttled_at <= row.now and row.throttled_at or 0
        for i, each in ipairs(rejected) do
            self.share:reject(row, row.now, each.went, accepted[i], each.seconds)
        end
    end)
end

-- Whether this runner has found out that more can go out.
local function has_climbed(self)
    local rate, stride = self.share:learnt()
    return rate ~= self.learnt[1] or stride ~= self.learnt[2]
end

-- ---- being connected, and not -----------------------------------------------------------------------------

local function disconnect(self)
    if self.connection then self.connection:close() end
    self.connection, self.window = nil, nil
end

local function connect(self)
    local problem
    self.connection, problem = postgres.connect(self.url, patience)
    if not self.connection then return nil, problem end
    local rate, stride = self.share:learnt()
    self.window, problem = window.open(self.connection, self.account, patience, rate, stride)
    return self.window, problem
end

local function go_apart(self, problem)
    if self.away then return end
    self.away = true
    self.share:apart(self.fraction)
    local how = problem.lost == false and "cannot be used" or "is away"
    log.warn("the quota is not shared, as its database %s (%s): until it is back, this process sends %s "
        .. "(--quota-away)", how, problem.message, self.fraction == 0 and "nothing"
        or ("no more than %g of the rate"):format(self.fraction))
end

local function come_back(self)
    if self.away then log.info("the database of the quota is back: the rate is shared again") end
    self.away = false
end

-- Whether there are no more moments yet than were leased.
local function is_too_early(self)
    return self.later ~= nil and task.now() < self.later and not has_climbed(self)
end

-- Does what there is to do; nil and a problem when the database is away.
local function serve(self)
    if not self.window then
        local connected, problem = connect(self)
        if not connected then return nil, problem end
    end
    local told, problem = slow_down(self)
    if not told then return nil, problem end
    local count = is_too_early(self) and 0 or self.share:wanted()
    if count == 0 and not self.away and not has_climbed(self) then return true end
    local leased
    leased, problem = lease(self, self.away and 0 or count)
    if leased then come_back(self) end
    return leased, problem
end

-- A connection that was lost is made anew at once: servers restart.
local function persist(self)
    local until_ = task.now() + patience
    while not self.stopped do
        local served, problem = serve(self)
        if served then return end
        disconnect(self)
        if self.stopped then
            return
        elseif self.away or task.now() >= until_ then
            go_apart(self, problem)
            return
        end
        self.share:pause(0.1)
    end
end

local function keep_leasing(self)
    while not self.stopped do
        self.share:wait(self.away and retry or self.later and math.max(0, self.later - task.now()) or nil)
        local ok, e = pcall(persist, self)
        if not ok then
            log.error("sharing the quota has failed: %s", tostring(e))
            disconnect(self)
            go_apart(self, { message = "an error of kmirror's" })
        end
    end
    disconnect(self)
end

-- ---- settings ---------------------------------------------------------------------------------------------

--- What part of the rate is used while the database is away.
---@param text string
---@return number|nil fraction 0: nothing is sent; nil: that is none
function M.fraction(text)
    local value = text:match("^%d*%.?%d+$") and tonumber(text)
    return text == "stop" and 0 or value and value > 0 and value <= 1 and value or nil
end

-- ---- all of a run -----------------------------------------------------------------------------------------

local shares = {}

--- The digest by which an account's window is found: who reads the database learns nothing of the account.
---@param endpoint string
---@param username string
---@return string
function M.account(endpoint, username)
    return host.hmac_sha256("quota", endpoint .. "\n" .. username)
end

--- Shares the rate of a governor from now on.
---@param governor userdata
---@param account { endpoint: string, username: string, rate: number|"auto" }
---@param url string of the database
---@param fraction number
function M.share(governor, account, url, fraction)
    local self = setmetatable({
        share = sharing.share(governor), url = url, account = M.account(account.endpoint, account.username),
        rate = account.rate, fraction = fraction, clock = clock(), away = false, round_trip = 0, generation = -1,
    }, Share)
    self.share:learn(0, 0, 0, 0)
    self.learnt = { self.share:learnt() }
    shares[#shares + 1] = self
    self.task = host.background(task.spawn(keep_leasing, self))
end

--- Ends with the run: gives up what was leased, and closes the connections.
function M.close()
    for _, self in ipairs(shares) do
        self.stopped = true
        self.share:apart(self.fraction)
        self.share:wake()
        if self.connection then self.connection:close() end
    end
    shares = {}
end

return M
