--- Runs the sides of a row in turn, and works out the ratios between them, round by round.

local rounds = {}

---@class bench.side
---@field name string
---@field command string       for a shell; prints figures, each a line of a name and a number
---@field times? integer       how often in a round; 1 by default
---@field measured? boolean    false: only what the command prints counts

---@class bench.ratio
---@field what string
---@field of fun(sides: table<string, table<string, number>>): number  of one round's figures, by side
---@field at_least? number
---@field at_most? number      without either it is only shown
---@field show? string         how to print it; "%.2f" by default

---@class bench.row
---@field name string          in ROWS=
---@field title string
---@field rounds? integer      when it is not as many as the others have
---@field sides bench.side[]|fun(): bench.side[]  a function is asked in each round
---@field ratios bench.ratio[]
---@field baseline? fun(sides: table<string, table<string, number>>): number  of a side that is the same whatever
---  kmirror does: how it wanders is how far the row can be trusted
---@field figures table[]      { title, format, function(figures, side) } of what is shown for each side

---@alias bench.samples table<string, table<string, number>>[]  of each round: figures by name, by side

-- Seconds of the processor that nginx's worker has had.
local function server_time()
    local work = os.getenv "BENCH" .. "/work"
    local master = io.open(work .. "/nginx.pid"):read "n"
    local worker = io.open(("/proc/%d/task/%d/children"):format(master, master)):read "n"
    local user, system = io.open(("/proc/%d/stat"):format(worker)):read "a":match(
        "%) %S+" .. (" %S+"):rep(10) .. " (%d+) (%d+)")
    return (user + system) / 100
end

local function run(side)
    local command = side.measured == false and side.command
        or ("%s '%s/measure' %d %s"):format(os.getenv "BENCH_CLIENT", os.getenv "BENCH", side.times or 1,
            side.command)
    local before = server_time()
    local pipe = assert(io.popen(command))
    local output = pipe:read "a"
    if not pipe:close() then error(("%s failed: %s\n%s"):format(side.name, command, output), 0) end
    local figures = { server = server_time() - before }
    for name, value in ("\n" .. output):gmatch "\n([%w_]+)[ \t]+([%d.e+-]+)" do
        figures[name] = tonumber(value)
    end
    return figures
end

-- Every other round goes through them backwards, so that nobody always runs after the same one.
local function in_turn(sides, round)
    local order = {}
    for i, side in ipairs(sides) do order[round % 2 == 1 and i or #sides + 1 - i] = side end
    return order
end

local function run_all(row, count)
    local samples = {}
    for round = 1, row.rounds or count do
        local figures = {}
        for _, side in ipairs(in_turn(rounds.sides(row), round)) do
            figures[side.name] = run(side)
        end
        samples[round] = figures
    end
    return samples
end

rounds.STEADY = 1.15 -- more than this between the best and the worst round of the baseline is another machine each time

---How much the baseline of a row wandered: its best round over its worst; nil when it has none.
---@param row bench.row
---@param samples bench.samples
---@return number?
function rounds.wander(row, samples)
    local spread = row.baseline and rounds.spread(samples, row.baseline)
    return spread and spread.maximum / spread.minimum
end

---Runs a row; once more when its baseline wandered: the steadier of the two counts.
---@param row bench.row
---@param count integer  rounds
---@return bench.samples
---Raises a text when a side fails.
function rounds.run(row, count)
    local samples = run_all(row, count)
    local wander = rounds.wander(row, samples)
    if not wander or wander <= rounds.STEADY then return samples end
    local again = run_all(row, count)
    return rounds.wander(row, again) < wander and again or samples
end

function rounds.sides(row)
    return type(row.sides) == "function" and row.sides() or row.sides
end

---@class bench.spread
---@field minimum number
---@field median number
---@field maximum number
---@field values number[]

---The spread of something over all rounds.
---@param samples bench.samples
---@param of fun(sides: table<string, table<string, number>>): number
---@return bench.spread
function rounds.spread(samples, of)
    local values = {}
    for i, sides in ipairs(samples) do values[i] = of(sides) end
    local sorted = table.move(values, 1, #values, 1, {})
    table.sort(sorted)
    local middle = (#sorted + 1) / 2
    return {
        minimum = sorted[1], maximum = sorted[#sorted], values = values,
        median = (sorted[math.floor(middle)] + sorted[math.ceil(middle)]) / 2,
    }
end

return rounds
