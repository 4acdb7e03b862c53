--- quota.window: the window of an account in the database, a row of kmirror.quota. A request that may go out has a
--- number and a moment; the moment of number N is a window after that of N - RATE. Moments are seconds of the
--- database's clock. Each function asks over a connection that is there, and returns nil and a problem when that fails.

local task = require("task")

local M = {}

---@class kmirror.quota.window
---@field connection userdata
---@field account string
---@field seconds number that an answer may take
local Window = {}
Window.__index = Window

local function ask(self, sql, values)
    return self.connection:query(sql, values, self.seconds)
end

local function array(values)
    local parts = {}
    for i, value in ipairs(values) do parts[i] = ("%.17g"):format(value) end
    return "{" .. table.concat(parts, ",") .. "}"
end

local function numbers(text)
    local found = {}
    for number in text:gmatch("[^{},]+") do found[#found + 1] = tonumber(number) end
    return found
end

-- ---- leasing ----------------------------------------------------------------------------------------------

-- What cannot be true counts for nothing: a moment far ahead is of a clock that was set. What is written need not
-- outlive a crash of the server, so nobody waits for its disk. Of a rate that is found out, $7 and $8, moments are not
-- leased far ahead, as it may be another by then; and with each goes how many go out in a second.
local lease = [[
WITH old AS MATERIALIZED (
    SELECT *, extract(epoch FROM clock_timestamp())::float8 AS now, set_config('synchronous_commit', 'off', true),
        generation = $6::bigint AND $7::float8 + least($8::float8, 0) > rate + least(stride, 0) AS found
    FROM kmirror.quota WHERE account = $1::text FOR UPDATE
), paced AS (
    SELECT *, CASE WHEN $4::float8 > 0 THEN $4 ELSE least(greatest(CASE WHEN found THEN $7 ELSE rate END, 1), 4096) END
        AS pace, CASE WHEN $4 > 0 THEN 0 WHEN found THEN $8 ELSE stride END AS climbs
    FROM old
), opened AS (
    SELECT *, greatest(pace + least(climbs, 0), 1) AS current FROM paced
), ruled AS (
    SELECT *, greatest(floor(current), 1)::integer AS slots,
        (greatest(floor(current), 1) / current + $5::float8)
            * (1 + (slowness - 1) * exp(greatest(least(throttled_at - now, 0) / 10, -100))) AS hold,
        greatest(least(not_before, now + 60), now + $11::float8) AS begins
    FROM opened
), kept AS (
    SELECT coalesce(array_agg(coalesce(sign(moment) * late.at, moment) ORDER BY place), '{}') AS moments,
        coalesce(max(abs(moment)), 0) AS latest, count(*)::integer AS many
    FROM ruled, unnest(moments) WITH ORDINALITY AS log (moment, place)
        LEFT JOIN unnest($9::bigint[], $10::float8[]) AS late (request, at)
            ON late.request = (SELECT number - cardinality(moments) FROM old) + place
    WHERE abs(moment) BETWEEN now - hold - 2 AND now + 60 + 256 * hold / slots
), coming AS (
    SELECT i, greatest(now + $3::float8, begins, coalesce(abs(kept.moments[many - slots + i]) + hold, 0),
            CASE WHEN $4 > 0 THEN 0 ELSE latest + i / pace / CASE WHEN climbs = 0 THEN 2 ELSE 4 END END) AS moment
    FROM ruled, kept, generate_series(1, least($2::integer, slots)) AS i
), leased AS (
    SELECT coalesce(array_agg(moment ORDER BY i), '{}') AS moments, coalesce(array_agg(CASE WHEN $4 > 0 THEN 0 ELSE i +
            (SELECT count(*) FROM unnest(kept.moments) AS m WHERE abs(m) >= moment - hold - 0.02) END ORDER BY i), '{}')
            AS proves
    FROM ruled, kept, coming WHERE $4 > 0 OR moment <= now + $3 + $12::float8
)
UPDATE kmirror.quota AS q SET number = q.number + cardinality(leased.moments),
    moments = kept.moments || leased.moments, not_before = begins,
    rate = CASE WHEN $4 > 0 THEN q.rate ELSE pace END, stride = CASE WHEN $4 > 0 THEN q.stride ELSE climbs END
FROM ruled, kept, leased WHERE q.account = $1
RETURNING now, leased.moments::text AS moments, leased.proves::text AS proves,
    q.number - cardinality(leased.moments) + 1 AS first, q.not_before, q.rate, q.stride, q.paused, q.generation,
    (SELECT min(moment) FROM coming WHERE $4 = 0 AND moment > now + $3 + $12) AS later]]

---@class kmirror.quota.wish
---@field count integer moments
---@field lead number seconds from now before which none is of use
---@field rate number requests in any one second; 0: the rate that is found out
---@field margin number seconds by which a window is longer than one
---@field generation integer that this runner knows, of the rate that is found out
---@field found number the rate that it has found since, and its stride: see runtime/climb.h
---@field stride number
---@field ahead number seconds for which moments of that are leased
---@field late integer[] numbers of requests that went out late
---@field late_at number[] when they did
---@field pause number seconds for which nothing may go out

---@class kmirror.quota.lease
---@field now number
---@field moments number[]
---@field proves number[] with each: how many go out in a second, of a rate that is found out
---@field later number|nil the first moment that was wanted, and is too far ahead
---@field first integer the number of the first
---@field not_before number
---@field rate number
---@field stride number
---@field paused integer
---@field generation integer

--- Leases moments.
---@param wish kmirror.quota.wish
---@return kmirror.quota.lease|nil
---@return table|nil problem
---@return number asked when, on task.now()'s clock
function Window:lease(wish)
    local asked = task.now()
    local found, problem = ask(self, lease, { self.account, wish.count, wish.lead, wish.rate, wish.margin,
        wish.generation, wish.found, wish.stride, array(wish.late), array(wish.late_at), wish.pause, wish.ahead })
    local row = found and found[1]
    if row then row.moments, row.proves = numbers(row.moments), numbers(row.proves) end
    return row, problem or not row and { message = "the account's row is gone" } or nil, asked
end

-- ---- what was rejected ------------------------------------------------------------------------------------

local head = [[
SELECT number, slowness, throttled_at, not_before, rate, stride, paused, generation,
    extract(epoch FROM clock_timestamp())::float8 AS now,
    (SELECT array_agg((SELECT count(*) FROM unnest(moments) AS m WHERE m > went - 1 AND m <= went) ORDER BY place)
        FROM unnest($2::float8[]) WITH ORDINALITY AS rejected (went, place))::text AS accepted
FROM kmirror.quota WHERE account = $1::text]]

local change = [[
UPDATE kmirror.quota SET slowness = $3, throttled_at = $4, not_before = greatest(not_before, $5), rate = $6,
    stride = $7, paused = $8, generation = generation + 1,
    moments = ARRAY(SELECT CASE WHEN number - cardinality(moments) + place = ANY ($9::bigint[]) THEN -abs(moment)
        ELSE moment END FROM unnest(moments) WITH ORDINALITY AS log (moment, place) ORDER BY place)
WHERE account = $1::text AND generation = $2::bigint]]

--- Slows the account down after requests were rejected: `judge` brings the row to what it shall be, and is asked again
--- when another runner has changed it meanwhile.
---@param rejected { number: integer, went: number }[] in the order in which they went out
---@param judge fun(row: table, accepted: number[]) accepted: in the second before each
---@return boolean|nil
---@return table|nil problem
function Window:reject(rejected, judge)
    local went, its_numbers = {}, {}
    for i, each in ipairs(rejected) do went[i], its_numbers[i] = each.went, each.number end
    for _ = 1, 10 do
        local found, problem = ask(self, head, { self.account, array(went) })
        local row = found and found[1]
        if not row then return nil, problem or { message = "the account's row is gone" } end
        judge(row, numbers(row.accepted))
        found, problem = ask(self, change, { self.account, row.generation, row.slowness, row.throttled_at,
            row.not_before, row.rate, row.stride, math.tointeger(row.paused), array(its_numbers) })
        if not found or found.count == 1 then return found and true, problem end
    end
    return true -- others have slowed it down all the time
end

--- Takes up the window of an account, which is made when it is new.
---@param connection userdata
---@param account string
---@param seconds number that an answer may take
---@param rate number of a rate that is found out: where it begins
---@param stride number
---@return kmirror.quota.window|nil
---@return table|nil problem
function M.open(connection, account, seconds, rate, stride)
    local self = setmetatable({ connection = connection, account = account, seconds = seconds }, Window)
    local found, problem = ask(self, "INSERT INTO kmirror.quota (account, rate, stride) VALUES ($1, $2, $3) "
        .. "ON CONFLICT DO NOTHING", { account, rate, stride })
    return found and self, problem
end

return M
