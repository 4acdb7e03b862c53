--- store: where jobs are kept. It is opened by URL; what it must be able to do is little, so that another
--- database can take SQLite's place.
---
--- A store writes down what journal.lua tells it and gives it back; it draws no conclusions. Each method that
--- writes has it on the disk when it returns. Each raises an error object of the kind `store` when it cannot
--- do its work; nothing of what that call should have written is there then.

local shell = require("kmirror.shell")
local state = require("kmirror.state")
local refuse = require("kmirror.usage")

local M = {}

---@class kmirror.store
---@field url string what opens it again; without a password
---@field user string|nil who uses it, in a store with users of its own
---@field secret fun(self): string a key for digests, random, the same for as long as the store lives
---@field lock fun(self, job: string, shared?: boolean): kmirror.lock|nil nil while another process has it; it goes
---  with its holder. Shared: nil while one has it for itself, who gets it only when nobody shares it
---@field holders fun(self, job: string): kmirror.store.holder[]|nil whose leases on it are valid, the oldest first; nil
---  where jobs are held by locks, which last as long as their process
---@field jobs fun(self): kmirror.store.job[] in the order of their names
---@field job fun(self, name: string): kmirror.store.job|nil
---@field names fun(self): string[] of all jobs, be they damaged or not, in order
---@field has fun(self, name: string): boolean whether there is such a job, be it damaged or not
---@field forget fun(self, name: string) removes a job and all that belongs to it
---@field begin_run fun(self, job: kmirror.store.job, run: kmirror.store.run, among_others?: boolean) writes the job as
---  well, if it is new. Among others: a run of that number that is there stays
---@field end_run fun(self, job: string, run: kmirror.store.run, unasked: integer[]|nil) the numbers of changes of
---  earlier runs that this one did not ask for; nil when that cannot be told
---@field runs fun(self, job: string): kmirror.store.run[] in order
---@field write_changes fun(self, job: string, changes: kmirror.store.change[]) all or none, each in place of that of
---  the same number
---@field changes fun(self, job: string, item?: string): kmirror.store.change[] in order of their numbers; those of an
---  item alone
---@field write_seen fun(self, job: string, seen: kmirror.store.seen) ids that are there stay as they are
---@field seen fun(self, job: string): kmirror.store.seen[] in order
---@field ask_approval? fun(self, job: string, asked: { run: integer, digest: string, shown: string, seconds: number }):
---  kmirror.store.approval asks another user to approve something, in place of what was asked before. This and the next
---  two: of stores with users of their own
---@field approval? fun(self, job: string): kmirror.store.approval|nil what was asked for last
---@field decide_approval? fun(self, job: string, given: kmirror.store.decision): kmirror.store.answer the store
---  sees to it that nobody approves what he has asked for himself; changed: that digest is not asked for (any more)
---@field close fun(self) idempotent

--- What a store can do beside that several machines reach; see kmirror.joint. A runner is one hold on a job, of lock().
---@class kmirror.store.shared: kmirror.store
---@field next_position fun(self, job: string): integer more than that of all that is written down so far
---@field share_items fun(self, job: string, part: string, items: { key: string, number: integer, batch: integer }[])
---  writes down those that are not there yet, as open
---@field claim_items fun(self, job: string, part: string, how: kmirror.store.claim): kmirror.store.claimed[],
---  kmirror.joint.counts
---@field stop_part fun(self, job: string, part: string, why: string) nobody is to begin any more of it: each runner is
---  told when it claims items
---@field end_item fun(self, job: string, part: string, item: kmirror.store.item) one that this runner has claimed
---@field release_items fun(self, job: string, part?: string, keys?: string[]) makes what this runner has claimed open
---  again; all of it, or those
---@field reopen_items fun(self, job: string) makes open what has failed under runners that are gone
---@field items fun(self, job: string, part: string): kmirror.store.item[] in order

---@class kmirror.store.claim what a runner wants
---@field batch integer
---@field most integer how many items
---@field run integer its number
---@field foreign string[] which it does not know

---@class kmirror.store.claimed
---@field key string
---@field before integer|nil the run that has had it before

---@class kmirror.store.item
---@field key string
---@field number integer
---@field batch integer
---@field state "open"|"claimed"|"done"|"failed"
---@field run integer|nil that has it, or had it
---@field problem string|nil
---@field value string|nil JSON

---@class kmirror.lock
---@field close fun(self)

---@class kmirror.store.holder who holds a job by a lease
---@field user string
---@field host string
---@field pid integer
---@field since number
---@field runner string who it is: see kmirror.store.run
---@field left number seconds for which the lease is still valid, by the store's clock

---@alias kmirror.store.answer "done"|"changed"|"late"|"decided"|"self"

---@class kmirror.store.decision
---@field digest string of what was shown
---@field state "approved"|"refused"
---@field why string|nil

---@class kmirror.store.approval what a run of a job may do only when another user has approved it
---@field run integer that has asked
---@field digest string of what is shown
---@field shown string
---@field asked_by string user of the store
---@field asked_at number
---@field left number seconds for which it may still be decided, by the store's clock; negative when that is over
---@field state "asked"|"approved"|"refused"
---@field decided_by string|nil
---@field decided_at number|nil
---@field why string|nil
---@field own boolean the one who looks has asked for it

---@class kmirror.store.job
---@field name string
---@field script string
---@field target string what it changes: an endpoint, say
---@field created number seconds since the epoch, as all times here

---@class kmirror.store.run
---@field number integer from 1
---@field args string[] of the script
---@field directory string where it ran
---@field settings table<string, string|number|boolean> kmirror's own options
---@field started number
---@field ended number|nil nil while it runs, and when it was killed
---@field status integer|nil exit status
---@field user string|nil who runs it: of a store with users of its own, that user, else the system's; nil, as are the
---  next three, in what an older kmirror has written
---@field host string|nil the machine's name
---@field pid integer|nil of the process, on that machine
---@field version string|nil of kmirror
---@field reason string|nil what --reason gave
---@field runner string|nil in a store with leases: under which one it runs

---@class kmirror.store.change
---@field number integer from 1, in the order in which they were first asked for
---@field order integer when it was last sent, among the changes and what was seen
---@field key string digest of what it is
---@field operation "create"|"delete"|"update_target_latency"
---@field cluster string
---@field id string|nil of the mirror; of a create, once it has been answered
---@field arguments table without secrets
---@field state "sent"|"done"|"failed" sent: the outcome is not known; failed: it was surely not done
---@field problem string|nil why it failed, or was not answered
---@field run integer that last sent it
---@field sent number
---@field answered number|nil
---@field asked boolean false: the last run that ended did not ask for it
---@field item string|nil of a job that several runners share: what it belongs to

---@class kmirror.store.seen ids of mirrors that a list showed for the first time
---@field order integer
---@field cluster string
---@field ids string[]

local function default_path()
    local directory, problem = state.directory()
    if not directory then
        refuse("there is no place to keep jobs in: %s; give --store sqlite:FILE", problem)
    end
    return directory .. "/jobs.db"
end

-- What a URL names: a file, or a database of PostgreSQL's. It may hold a password where it should not, so a wrong one
-- is not shown.
local function parse(url)
    local scheme, rest = url:match("^(%a[%w+.-]*):(.*)$")
    local kind = scheme and scheme:lower()
    if not kind then
        if url:find("://", 1, true) or url:find("^%s*%a+%s*=") then -- a URL mistyped, or libpq's NAME=VALUE: no file
            refuse("the store is no file and no URL that is known: expected FILE, sqlite:FILE or "
                .. "postgresql://HOST/DATABASE")
        end
        return "sqlite", url
    elseif kind == "sqlite" then
        return kind, (rest:gsub("^//(/)", "%1"))
    elseif kind == "postgresql" or kind == "postgres" then
        return "postgresql", require("kmirror.store.postgres.url")(url)
    end
    refuse("a store '%s:…' is not known: expected sqlite:FILE or postgresql://HOST/DATABASE", scheme)
end

--- The file of the store that a URL names, for those who must not make one by looking; nil when it is no file, or there
--- is no place for one.
---@param url? string as for open()
---@return string|nil path
function M.file_of(url)
    url = url or os.getenv("KMIRROR_STORE") or ""
    if url == "" then
        local directory = state.path()
        return directory and directory .. "/jobs.db"
    end
    local ok, kind, path = pcall(parse, url)
    return ok and kind == "sqlite" and path or nil
end

--- The URL of a store in PostgreSQL; nil when it is none. Raises usage for a wrong one.
---@param url? string as for open()
---@return string|nil
function M.database_of(url)
    url = url or os.getenv("KMIRROR_STORE") or ""
    local kind, database = parse(url)
    return kind == "postgresql" and database or nil
end

--- Connects to the database of a store in PostgreSQL, whatever is in it, for what else is kept there than jobs. Raises
--- `store`.
---@param url string as database_of() gives it
---@return kmirror.store.postgres.database
---@return table schema kmirror.store.postgres.schema
function M.connect(url)
    return require("kmirror.store.postgres.database").open(url), require("kmirror.store.postgres.schema")
end

--- Opens a store. One in a file is made when it is not there; one in PostgreSQL is made by `kmirror store init`. Raises
--- `store`, and usage for a wrong URL.
---@param url? string sqlite:FILE, or just FILE, or postgresql://…; default: KMIRROR_STORE, else jobs.db among the
---  user's state
---@return kmirror.store
function M.open(url)
    url = url or os.getenv("KMIRROR_STORE")
    local kind, place = "sqlite", nil
    if url and url ~= "" then kind, place = parse(url) end
    if kind == "postgresql" then return require("kmirror.store.postgres").open(place) end
    place = place or default_path()
    if place == "" or place:find("%c") then
        refuse("the store's file name is %s: expected sqlite:FILE", place == "" and "empty" or "not printable")
    end
    return require("kmirror.store.sqlite").open(place)
end

--- Calls a function that asks a store before anything is sent: what the store raises is raised as usage, as it is for
--- the user to put right.
---@generic T
---@param fn fun(...: any): T
---@param ... any
---@return T
function M.asked(fn, ...)
    local ok, result = pcall(fn, ...)
    if ok then
        return result
    elseif type(result) == "table" and result.kind == "store" then
        refuse("%s", result.message)
    end
    error(result, 0)
end

--- The words that make a shell do something about a job, in whichever store it is.
---@param action "resume"|"show"|"forget"|"approve"|"refuse" of kmirror jobs
---@param job string
---@param url? string of the store, where it is another than the one among the user's state
---@return string
function M.command(action, job, url)
    return ("kmirror jobs %s %s%s"):format(action, shell.word(job), url and " --store " .. shell.word(url) or "")
end

--- Whether a run of a job goes on: it holds the job's lock, or a lease on it that is valid.
---@param store kmirror.store
---@param name string of the job
---@return boolean
function M.is_running(store, name)
    local holders = store:holders(name)
    if holders then return #holders > 0 end
    local lock = store:lock(name)
    if lock then lock:close() end
    return lock == nil
end

return M
