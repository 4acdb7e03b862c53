--- quota.clock: what time it is on the database's clock, by this machine's own. The database tells its time with
--- every answer; on the way it has become older, by something between nothing and the whole round trip. All answers
--- together say it ever more exactly. Neither clock is believed to be right, and what time of day this machine has
--- plays no part.

local drift <const> = 2e-4 -- seconds that two clocks may part in a second

---@class kmirror.quota.clock
---@field low number|nil the least that has to be added to the database's time to get task.now()'s
---@field high number the most
---@field seen number
local Clock = {}
Clock.__index = Clock

--- Takes in an answer.
---@param asked number task.now()
---@param answered number task.now()
---@param told number the database's time, in between
function Clock:note(asked, answered, told)
    local low, high = asked - told, answered - told
    local parted = self.low and drift * (answered - self.seen)
    if self.low and math.max(low, self.low - parted) <= math.min(high, self.high + parted) then
        low, high = math.max(low, self.low - parted), math.min(high, self.high + parted)
    end -- else one of them was set
    self.low, self.high, self.seen = low, high, answered
end

--- A moment of the database's on task.now()'s clock.
---@param moment number
---@return number
function Clock:here(moment)
    return moment + (self.low + self.high) / 2
end

--- The other way.
---@param moment number
---@return number
function Clock:there(moment)
    return moment - (self.low + self.high) / 2
end

---@return kmirror.quota.clock
return function()
    return setmetatable({}, Clock)
end
