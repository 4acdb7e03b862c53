-- task: what scripts see of it. The scheduler is in scheduler.c; its primitives are in task.c and group.c.
local Task, native, Group, new_error = ...

---@class task.Task
Task.__index = {}
Task.__name = "task"

local methods = Task.__index

local function invalid(message, ...)
    error(new_error("invalid", message:format(...)), 0)
end

-- Called with a dot instead of a colon, a method would get something else.
local function check_object(self, class, name)
    if getmetatable(self) == class then return end
    local kind = class.__name:match("%a+$")
    invalid("%s:%s: expected its object, got a %s; call it with a colon", kind, name, type(self))
end

local function check_seconds(name, seconds)
    if type(seconds) ~= "number" then
        invalid("%s: seconds must be a number from 0 up, got %s", name, seconds == nil and "nothing" or type(seconds))
    end
end

---Waits for the task to end.
---@return any ...  what its function returned
---Raises the very error value that the task died of; `cancelled` when the waiting task is cancelled; `invalid` where no
---other task can run (a coroutine of the script's own, a callback, a finalizer).
---@async
function methods:join()
    check_object(self, Task, "join")
    native.wait(self)
    return native.outcome(self)
end

---Asks the task to end: the call that it waits in, and every later one, raises `cancelled`. A change that is already on
---its way to the API is waited for first. Does not wait for the task; `join` does.
function methods:cancel()
    check_object(self, Task, "cancel")
    native.cancel(self)
end

---@return "queued"|"ready"|"running"|"waiting"|"succeeded"|"failed"|"cancelled"
function methods:status()
    check_object(self, Task, "status")
    return native.status(self)
end

function Task:__tostring()
    return ("task (%s)"):format(native.status(self))
end

-- ---- what a task is part of ----

local scopes -- by coroutine; nil until there is one

local function begin(fn, ...)
    native.check() -- it may have been cancelled before its turn came
    return fn(...)
end

-- What a task begins with that is spawned here: it is part of what this one is part of.
local function beginning()
    local scope = scopes and scopes[coroutine.running()]
    if scope == nil then return begin end
    return function(fn, ...)
        scopes[coroutine.running()] = scope
        return begin(fn, ...)
    end
end

-- ---- groups ----

---Tasks that end together: the first failure cancels the others, and leaving the scope of a `<close>` variable waits
---for all of them.
---@class task.Group
Group.__index = {}
Group.__name = "task.group"

local group_methods = Group.__index

---Cancels every task of the group.
function group_methods:cancel()
    check_object(self, Group, "cancel")
    native.cancel_group(self)
end

---Starts a task of the group; one over the limit waits for its turn.
---@param fn function
---@param ... any  its arguments
---@return task.Task
---Raises `invalid` when fn is no function or the group has been left; `cancelled` in a cancelled task.
function group_methods:spawn(fn, ...)
    check_object(self, Group, "spawn")
    if type(fn) ~= "function" then invalid("group:spawn: expected a function, got %s", type(fn)) end
    native.check()
    return native.spawn_member(self, beginning(), fn, ...)
end

-- Waits for all members, who leave the group as they end.
local function drain(group, shielded)
    for t in native.member, group do native.wait(t, nil, shielded) end
end

---Waits until every task of the group has ended.
---Raises the first failure among them; `cancelled` when the waiting task is cancelled.
---@async
function group_methods:wait()
    check_object(self, Group, "wait")
    drain(self, false)
    local failed = native.failed_member(self)
    if failed then native.outcome(failed) end
end

function Group:__close(err)
    local ok, failure = true, nil
    if err == nil then ok, failure = pcall(self.wait, self) end
    native.leave_group(self)
    if err ~= nil or not ok then
        self:cancel()
        drain(self, true)
    end
    if not ok then error(failure, 0) end
end

-- ---- the module ----

local function spawn(fn, ...)
    if type(fn) ~= "function" then invalid("task.spawn: expected a function, got %s", type(fn)) end
    native.check()
    return native.spawn(beginning(), fn, ...)
end

local function sleep(seconds, background)
    check_seconds("task.sleep", seconds)
    return native.sleep(seconds, background)
end

---@class task
local task = {
    ---Starts a task. One that fails and that nobody joins is reported when the run ends.
    ---@type fun(fn: function, ...: any): task.Task
    ---Raises `invalid` when fn is no function; `cancelled` in a cancelled task.
    spawn = spawn,
    ---Waits for that many seconds. In the background it does not keep the run from noticing a deadlock of the others.
    ---Raises `cancelled`; `invalid` for a negative number.
    ---@type fun(seconds: number, background?: boolean)
    ---@async
    sleep = sleep,
    ---@type fun(): number  # seconds on a clock that never goes back; only differences mean anything
    now = native.now,
    ---@type fun(): integer  # how many tasks have not ended yet
    live = native.live,
}

---What the running task is part of: the value that it, or the task that spawned it, has entered.
---@return any
function task.scope()
    return scopes and scopes[coroutine.running()]
end

---From here on the running task, and each that is spawned in it, is part of what is given.
---@param scope any
function task.enter(scope)
    scopes = scopes or setmetatable({}, { __mode = "k" })
    scopes[coroutine.running()] = scope
end

---@class task.GroupOptions
---@field concurrency? integer  how many may run at once (default: no limit)

---Makes a group: `local g <close> = task.group{ concurrency = 16 }`.
---@param options? task.GroupOptions
---@return task.Group
---Raises `invalid` for an unknown option or a concurrency that is no integer from 1 up.
function task.group(options)
    if options ~= nil and type(options) ~= "table" then
        invalid("task.group: expected a table of options, got %s", type(options))
    end
    for name in pairs(options or {}) do
        if name ~= "concurrency" then
            invalid("task.group: unknown option '%s'; the only one is 'concurrency'", tostring(name))
        end
    end
    local limit = options and options.concurrency
    if limit ~= nil and (math.type(limit) ~= "integer" or limit < 1) then
        invalid("task.group: concurrency must be an integer from 1 up, got %s", tostring(limit))
    end
    return native.new_group(limit)
end

-- Leaves no task behind when the one that waits for it is cancelled.
local Guard = {}

function Guard:__close()
    native.cancel(self.task)
    native.wait(self.task, nil, true)
end

local function or_timeout(seconds, ok, ...)
    if ok then return ... end
    local e = ...
    if type(e) == "table" and e.kind == "cancelled" then
        e = new_error("timeout", ("gave up after %g seconds"):format(seconds))
    end
    error(e, 0)
end

---Runs the function for at most that many seconds.
---@param seconds number
---@param fn function
---@param ... any  its arguments
---@return any ...  what it returned
---Raises `timeout` when the time was up first, else what fn raised.
---@async
function task.timeout(seconds, fn, ...)
    check_seconds("task.timeout", seconds)
    if type(fn) ~= "function" then
        invalid("task.timeout: expected a function, got %s", type(fn))
    end
    local t = spawn(fn, ...)
    native.observe(t)
    local _ <close> = setmetatable({ task = t }, Guard)
    if native.wait(t, seconds) then return native.outcome(t) end
    native.cancel(t)
    native.wait(t, nil, true)
    return or_timeout(seconds, pcall(native.outcome, t))
end

return task
