--- measured: what the API tells of latency and rate: not how they are, but their means over the last minute or so, as
--- Kafka's clients measure them, taken now and then. A real Kafka was the model: spec/kafka/traces has what one told.

local measured = {}

local POINTS <const> = 30 -- at which a window is looked at

--- When the numbers were taken that are told now.
---@param now number
---@param refresh number seconds from one to the next; 0: they are always of now
---@return number
function measured.taken(now, refresh)
    return refresh > 0 and now - now % refresh or now
end

--- Two samples of half a window each: the one that goes on, and the whole one before it. So it is from half a window to
--- a whole one that is told of.
---@param window number seconds
---@param taken number
---@return number first, number last
local function span(window, taken)
    local half = window / 2
    return taken - taken % half - half, taken
end

--- The mean rate over the window, and the mean latency of the records that came through in it: when none did, 0.
---@param window number seconds; 0: what is at that moment
---@param taken number
---@param of fun(time: number): number, number lag in ms and rate in records a second, at a moment
---@return number lag
---@return number rate
function measured.over(window, taken, of)
    if window <= 0 then return of(taken) end
    local first, last = span(window, taken)
    local lags, rates = 0, 0
    for i = 1, POINTS do
        local lag, rate = of(first + (last - first) * (i - 0.5) / POINTS)
        lags, rates = lags + lag * rate, rates + rate
    end
    return rates > 0 and lags / rates or 0, rates / POINTS
end

return measured
