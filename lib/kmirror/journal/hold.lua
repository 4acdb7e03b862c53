--- journal.hold: takes a job for one run of it.

local log = require("kmirror.log")
local task = require("task")
local refuse = require("kmirror.usage")

local M = {}

local lock_attempts, lock_pause = 5, 0.1 -- `kmirror jobs` looks at locks, for an instant

local function try_lock(store, name, join)
    for _ = 1, lock_attempts do
        local lock = store:lock(name, join)
        if lock then return lock end
        if store:holders(name) then return nil end
        task.sleep(lock_pause)
    end
end

local function refuse_running(name, where, join)
    refuse("job '%s' is running %s%s: wait until it has ended, or give another --job NAME", name, where,
        join and ", without --join" or "")
end

local function described(holder)
    return ("by %s on %s (process %d)"):format(holder.user, holder.host, holder.pid)
end

--- Who has a job, in words that follow "is running".
---@param store kmirror.store
---@param name string of the job
---@return string
function M.by_whom(store, name)
    local holder = (store:holders(name) or {})[1]
    return holder and described(holder) or "in another kmirror process"
end

-- A runner that has died, hangs or is cut off does not renew its lease: once that has run out, the job can be taken.
local function await_lease(store, name, holder, join)
    log.info("job %s is held %s: waiting until its lease is renewed or runs out, for %.0f s at most", name,
        described(holder), holder.left)
    while true do
        task.sleep(math.min(math.max(holder.left, 0.05), 0.5))
        local lock = store:lock(name, join)
        if lock then
            log.warn("job %s was held %s, which did not renew its lease: this run takes it over", name,
                described(holder))
            return lock
        end
        local now = store:holders(name)[1]
        if now and (now.runner ~= holder.runner or now.expires > holder.expires) then
            refuse_running(name, described(now) .. ", and its lease was renewed just now", join)
        end
        holder = now or holder
    end
end

--- Takes a job for this run, alone or with others. One whose holder is gone is waited for, as long as its lease lasts.
---@param store kmirror.store
---@param name string of the job
---@param join? boolean
---@return kmirror.lock
---Raises usage when another run has it.
function M.take(store, name, join)
    local lock = try_lock(store, name, join)
    if lock then return lock end
    local holders = store:holders(name)
    if not holders then refuse_running(name, "in another kmirror process") end
    return holders[1] and await_lease(store, name, holders[1], join) or M.take(store, name, join)
end

return M
