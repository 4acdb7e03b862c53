--- store.postgres.database: one connection to the store's database, made anew when it is lost: the server restarts, a
--- standby takes its place, the network is cut. What is asked meanwhile waits and is asked again, within a deadline.
--- So every statement must do no harm when it is carried out twice.

local log = require("kmirror.log")
local mirrors = require("mirrors")
local postgres = require("postgres")
local problems = require("kmirror.store.postgres.problem")
local task = require("task")

local M = {}

M.answer = 20 -- seconds for which one statement may take
M.first = 15 -- seconds within which the first connection must be there
local pause = 0.25 -- seconds between two attempts
local settled = 2 -- seconds after which what is wrong is no part of a restart

--- Seconds for which the database may be away.
---@return number
function M.patience()
    return tonumber(os.getenv("KMIRROR_STORE_PATIENCE")) or 60
end

---@class kmirror.store.postgres.database
---@field name string the URL, as messages show it
---@field turns any[] alarms of those who ask, the first one's statement is under way
---@field connected number when the connection was made
---@field away nil|{ advice: string, since: number } while it is: what was told
---@field on_connect fun()|nil called whenever there is a new connection, before
---  anything else is asked over it
local Database = {}
Database.__index = Database
Database.__close = function(self)
    self:close()
end

-- ---- errors -----------------------------------------------------------------------------------------------

local function raise(self, problem, patience)
    local waited = patience and ("; it was waited for %g s"):format(patience) or ""
    error(mirrors.error("store", ("the store %s: %s%s%s"):format(self.name, problems.reason(problem), waited,
        problems.advice(problem, self.name))), 0)
end

-- ---- connecting -------------------------------------------------------------------------------------------

-- A new connection, or nil and why there is none.
local function connect(self, seconds)
    local connection, problem = postgres.connect(self.url, seconds)
    if not connection then return nil, problem end
    local other = self.connection -- of whoever did not take its turn
    self.connection, self.connected = connection, task.now()
    local ok, e = pcall(self.on_connect or function() end)
    if not ok then
        self.connection = other
        connection:close()
        return nil, e
    elseif other then
        other:close()
    end
    return connection
end

local function drop(self, connection)
    if self.connection == connection then self.connection = nil end
    connection:close()
end

-- ---- asking -----------------------------------------------------------------------------------------------

-- Once, over the connection that there is, or a new one.
local function attempt(self, seconds, ask)
    if self.closed then return nil, { message = "it is closed", lost = true } end
    local connection, problem = self.connection, nil
    if not connection then connection, problem = connect(self, seconds) end
    if not connection then return nil, problem end
    local result
    result, problem = ask(connection, math.min(seconds, M.answer))
    if not result and problems.is_passing(problem) then drop(self, connection) end
    return result, problem
end

-- It is told once for each time that the database is away; once more when there is something else to be done about it,
-- and that lasts.
local function tell(self, problem, patience)
    local advice, now = problems.advice(problem, self.name), task.now()
    local away = self.away
    if not away or advice ~= "" and advice ~= away.advice and now >= away.since + settled then
        self.away = { advice = advice, since = away and away.since or now }
        log.warn("the store %s %s (%s): waiting for it, for %g s at most%s", self.name,
            problem.lost and "does not answer" or "cannot be used now", problems.reason(problem), patience, advice)
    end
end

local function told(self)
    if self.away then
        self.away = nil
        log.info("the store %s answers again", self.name)
    end
end

-- One after the other, in the order in which they were asked: also when all of them have to be asked again. In a
-- coroutine of the runbook's own no other task can run, and so end its turn: there, none is taken.
local function take_turn(self)
    local turn = postgres.alarm()
    self.turns[#self.turns + 1] = turn
    local seconds = 0.001
    while self.turns[1] ~= turn do
        if not turn:wait(seconds) then return turn end
        seconds = 3600
    end
    return turn
end

local function end_turn(self, turn)
    for i, each in ipairs(self.turns) do
        if each == turn then
            table.remove(self.turns, i)
            break
        end
    end
    if self.turns[1] then self.turns[1]:ring() end
end

local function ask_until(self, ask, patience, until_)
    while true do
        local result, problem = attempt(self, math.max(until_ - task.now(), 0.5), ask)
        if result then
            told(self)
            return result
        elseif problem.kind then -- an error object of ours: nothing that would pass
            error(problem, 0)
        elseif not problems.is_passing(problem) then
            raise(self, problem)
        elseif self.closed or task.now() + pause >= until_ then
            raise(self, problem, patience)
        end
        tell(self, problem, patience)
        postgres.alarm():wait(pause)
    end
end

local function persist(self, ask)
    local patience = M.patience()
    local until_ = task.now() + patience
    local turn = take_turn(self)
    local ok, result = pcall(ask_until, self, ask, patience, until_)
    end_turn(self, turn)
    if not ok then error(result, 0) end
    return result
end

-- $1, $2, … in place of ?
local function numbered(sql)
    local count = 0
    return (sql:gsub("%?", function()
        count = count + 1
        return "$" .. count
    end))
end

--- Asks one statement, and waits until it is answered. It may be carried out twice. Raises `store`.
---@param sql string ? stands for a value
---@param ... any values
---@return table[] rows which also have `count`: how many were changed
function Database:query(sql, ...)
    local values = table.pack(...)
    return persist(self, function(connection, seconds)
        return connection:query(numbered(sql), values, seconds)
    end)
end

--- Asks several statements as one transaction, likewise.
---@param statements table[]|fun(): table[] { sql, values with n }; a function is asked before each attempt
---@return table[][] rows of each
function Database:transaction(statements)
    return persist(self, function(connection, seconds)
        local list = {}
        for i, each in ipairs(type(statements) == "function" and statements() or statements) do
            list[i] = { numbered(each[1]), each[2] }
        end
        if #list > 1 then return connection:transaction(list, seconds) end
        local found, problem = connection:query(list[1][1], list[1][2], seconds)
        return found and { found }, problem
    end)
end

--- Asks one statement over the connection that there is, and gives up with it: for on_connect.
---@return table[]|nil rows
---@return table|nil problem
function Database:ask(sql, ...)
    return self.connection:query(numbered(sql), table.pack(...), M.answer)
end

function Database:close()
    self.closed = true
    if self.connection then
        self.connection:close()
        self.connection = nil
    end
end

--- Connects to a database. Raises `store` when that cannot be done now: who has just begun can be told at once.
---@param url string
---@return kmirror.store.postgres.database
function M.open(url)
    local self = setmetatable({ url = url, name = url, turns = {} }, Database)
    local connection, problem = connect(self, M.first)
    if not connection then raise(self, problem) end
    return self
end

return M
