--- reconcile: makes sure that a create whose answer was lost is never made twice and never forgotten.
---
--- The API has no idempotency key. When the answer to a create is lost, the only evidence is the list of
--- mirrors: ids, connector names, topic regexes. This file holds the reasoning on that evidence. It does no
--- I/O of its own: list, sleep and now are passed in, so that its spec can go through every interleaving. What a
--- mirror looks like, what lists have shown, and the judgement stand in reconcile_looks.lua, reconcile_lists.lua and
--- reconcile_judge.lua.
---
--- What may be the outcome of a create
---
---   A mirror that
---   - no create was answered with, and none has adopted;
---   - was in no list that was answered before the create was first sent. So a list is read before the first
---     create on a cluster (the baseline), and every list that is answered later counts as well;
---   - is in a list asked for at most `settle` seconds after the answer was lost, or in the first one after
---     that;
---   - *fits*: it has the same topics regex, and its connector name `<source alias>.<target alias>.<random>`
---     begins with the source alias.
---   Aliases may hold dots: `a.b.t.r` is alias `a` into target `b.t`, or alias `a.b` into target `t`. All
---   mirrors of one Connect cluster go into one target, so the target alias is a tail that all their names
---   share. A name of three parts settles it (nearly always there is one), and so does a mirror that one of
---   our creates was answered with. While it is not settled, such a mirror fits *perhaps*: enough to doubt,
---   not enough to adopt. Names that contradict each other settle nothing.
---
--- How lost creates are decided
---
---   Creates of the same specification are interchangeable. Those of them that are lost are decided together,
---   by the first list asked for `settle` seconds after the last of the losses. n are lost, m mirrors may be
---   theirs:
---
---   m = 0        none was done: all are sent again.
---   0 < m <= n   m are adopted; the other n - m were not done, and are sent again.
---   m > n        unknown_outcome, with the m candidates. Unless there are orphans (below).
---   m > 0        and one of them fits only perhaps, or may be that of another create: unknown_outcome.
---   no list      can be had for another `settle` seconds: unknown_outcome.
---
---   A decision is never made early, on the first mirror that fits: it may be somebody else's, and ours late.
---
---   Creates that could be mistaken for one another (same regex; same alias, or one alias the other plus
---   `.more`) are kept from mixing: none is sent while another is lost and undecided, two of different
---   specifications are not under way at once, and a decision waits for those that are under way.
---
---   A create that nobody waits for any more, though its outcome is open (its task was cancelled; it could
---   not be decided; an earlier run of the job was killed) is an *orphan*: it may own a mirror but claims
---   none. With o orphans of the same specification up to n + o mirrors are explained, n of them are adopted,
---   and it makes no difference which. A create of another specification that could be mistaken for an orphan
---   is sent only after a list has shown all that the orphan may have made.
---
--- Where the list tells whole specifications (v2 of the API), a mirror fits when its specification is the one that was
--- asked for; names then play no part. It fits perhaps when only its connection properties differ, and these lead to
--- the same servers, as a server may show them in another form; where one fits for certain, it does not do that.
---
--- What this rests on, and where evidence ends
---
---   - A create has taken effect, and shows in every list asked for, `settle` seconds after its answer was
---     lost, or never. A mirror that comes later than that is one too many, and nobody is told.
---   - Topics regex and alias come back in the list as they were sent.
---   - A mirror of the very same look that somebody else makes between our last list and our loss, while ours
---     was not done, cannot be told from ours: it is what was asked for, so it is adopted. A list serves as
---     baseline for `fresh` seconds only, to keep that window short.
---   - Every wait for another create is bounded by `patience`; after it, the other counts as a possible
---     owner.
---
--- An error object that create() raises with a kind other than unknown_outcome and cancelled means: surely
--- not made. An error that is no object (a mistake in a program) says nothing.

-- What loads its parts: from where it is embedded itself, or, for its specs, from the files.
local load = ... or function(path, ...) return assert(loadfile(path))(...) end

local lists = load("runtime/reconcile_lists.lua")
local looks = load("runtime/reconcile_looks.lua")
local judge = load("runtime/reconcile_judge.lua", looks)

local reconcile = {}

---@class reconcile.mirror what the list says of a mirror
---@field id string
---@field connectorName string
---@field topicsRegex string

---@class reconcile.options
---@field list fun(cluster: string): reconcile.mirror[]  asks the API; raises on failure; may yield
---@field sleep fun(seconds: number)  may yield
---@field now fun(): number  seconds on a monotonic clock
---@field settle? number  seconds after a loss within which the mirror shows in the list, if it was made; 10
---@field fresh? number  seconds for which a list serves as baseline; 60
---@field patience? number  seconds to wait for other creates at most; 120
---@field step? number  seconds between two looks at what other creates of this process do; 0.05
---@field error? fun(kind: string, message: string, fields: table): any  makes the error object
---@field stand_by? fun(cluster: string)  waits while the API is away and now() stands still, as somebody has to ask
---  whether it is back; raises when that takes too long; may yield
---@field tell? fun(event: reconcile.news)  told of what is going on
---@field fit? fun(cluster: string): reconcile.fit|nil  how to tell whether a listed mirror is as a create asked for,
---  where the list says more than name and regex

---@alias reconcile.fit fun(spec: table, mirror: table): "yes"|"perhaps"|"no"

---@class reconcile.news
---@field what "lost"|"adopted"|"undone"|"undecided"  of a create
---@field cluster string
---@field spec table
---@field wait? number  seconds until the list is asked, when its answer was lost
---@field id? string  of the mirror that it turned out to have made
---@field error? any  why the answer was lost; nil when that was in an earlier run

---@class reconcile.event one of
---@field seen? string[]  ids that a list showed
---@field sent? table  specification of a create that was sent, or was about to be, and never answered
---@field identity? string  of that create
---@field made? string  id that a create was answered with
---@field spec? table  of that create

---@class reconcile.how
---@field lost? reconcile.entry  goes on with this lost create of seed(), instead of sending a new one
---@field identity? string  creates of equal identity are interchangeable; default: from the specification
---@field sending? fun(chosen?: table)  called before the first attempt is sent, with what was chosen for it where it
---  is told by a name: what it raises ends the create, unsent

--- One create of ours that may own a mirror.
---@class reconcile.entry
---@field spec table
---@field identity string
---@field state "waiting"|"flying"|"lost"|"orphan"  all but the first may own a mirror
---@field sent integer|nil  how many lists had been answered when it was first sent
---@field before table<string, any>|nil  of a create of another process: the ids that it knew before it sent it
---@field lost_at number|nil  when the last answer was lost
---@field closed integer|nil  the list that must have shown its mirror, if it was made
---@field verdict reconcile.verdict|nil

---@class reconcile.verdict
---@field what "adopted"|"undone"|"undecided"
---@field id? string  adopted
---@field candidates? reconcile.mirror[]  undecided: the mirrors that may be it
---@field lost? integer  undecided: how many creates these may belong to
---@field reason? string  undecided: why, when it is not the number

---@class reconcile.ledger
local Ledger = {}
Ledger.__index = Ledger

-- How often the list that decides is asked for within `settle`, when it cannot be read.
local list_attempts = 4

local function plain_error(kind, message, fields)
    fields.kind, fields.message = kind, message
    return fields
end

--- A ledger of the creates of one account.
---@param options reconcile.options
---@return reconcile.ledger
function reconcile.ledger(options)
    return setmetatable({
        list = options.list,
        sleep = options.sleep,
        now = options.now,
        settle = options.settle or 10,
        fresh = options.fresh or 60,
        patience = options.patience or 120,
        step = options.step or 0.05,
        error = options.error or plain_error,
        stand_by = options.stand_by or function() end,
        tell = options.tell or function() end,
        fit = options.fit or function() end,
        listener = function() end,
        books = {},
    }, Ledger)
end

-- What is known of one cluster. Its UUID may be written in capitals or not.
local function book_of(ledger, cluster)
    cluster = cluster:lower()
    local book = ledger.books[cluster]
    if not book then
        book = {
            cluster = cluster,
            whole = ledger.fit(cluster), -- how to compare whole specifications, where the list tells them
            lists = 0, -- answered so far: the measure of before and after
            began = -math.huge, -- when the newest of them was asked for
            reading = nil, -- the list being read
            seen = {}, -- id -> { id, connectorName, topicsRegex, first = the list that showed it first }
            order = {}, -- the same, one after the other
            taken = {}, -- id -> spec of the create that owns it, true when that is not known
            named = false, -- whether the next two say what the names say
            exact = nil, -- the target alias, when the names settle it
            tail = nil, -- what the target alias is a tail of, when they do not
            entries = {},
            beside = {}, -- the same by topics regex: those that could be mistaken for one another
        }
        ledger.books[cluster] = book
    end
    return book
end

-- The creates of the same topics regex, this one among them.
local function beside(book, entry)
    local regex = entry.spec.topicsRegex
    book.beside[regex] = book.beside[regex] or {}
    return book.beside[regex]
end

local function enter(book, entry)
    book.entries[#book.entries + 1] = entry
    table.insert(beside(book, entry), entry)
    return entry
end

local function remove_from(list, entry)
    for i, each in ipairs(list) do
        if each == entry then return table.remove(list, i) end
    end
end

-- Takes a create out of the book when it has ended, or leaves it there as an orphan when its outcome is open.
local function leave(ledger, book, entry)
    if entry.state ~= "waiting" then
        entry.lost_at, entry.state = entry.lost_at or ledger.now(), "orphan"
        return
    end
    remove_from(book.entries, entry)
    local list = beside(book, entry)
    remove_from(list, entry)
    if #list == 0 then book.beside[entry.spec.topicsRegex] = nil end
end

-- Lists -----------------------------------------------------------------------------------------------------

--- Tells a function of the ids that a list shows for the first time, before anything is sent that relies on them,
--- and at once of those that lists have shown so far. What it raises is raised by whoever read the list.
---@param listener fun(cluster: string, ids: string[])
function Ledger:listen(listener)
    for cluster, book in pairs(self.books) do
        local ids = {}
        for i, mirror in ipairs(book.order) do ids[i] = mirror.id end
        if #ids > 0 then listener(cluster, ids) end
    end
    self.listener = listener
end

--- Takes in a list that was answered just now. Every list that is read, for whatever reason, may be told: it
--- sharpens what is known, and spares a request when it can serve as baseline.
---@param cluster string
---@param mirrors reconcile.mirror[]
---@param began? number  when it was asked for, on now()'s clock; without it, it does not serve as baseline
function Ledger:saw(cluster, mirrors, began)
    lists.take(self, book_of(self, cluster), mirrors, began)
end

-- Creates ---------------------------------------------------------------------------------------------------

-- What a send has to wait for: whether there are creates to be answered or decided first, and the moment
-- after which a list shows all that those may have made that nobody waits for.
local function in_the_way(ledger, book, entry)
    local busy, open = false, -math.huge
    for _, other in ipairs(beside(book, entry)) do
        if other ~= entry and looks.alike(entry, other) then
            local differs = other.identity ~= entry.identity
            if other.state == "lost" or other.state == "flying" and differs then
                busy = true
            elseif other.state == "orphan" and differs and not other.closed then
                open = math.max(open, other.lost_at + ledger.settle)
            end
        end
    end
    return busy, open
end

-- Waits until a send can be told from every other: see "kept from mixing" above.
local function hold(ledger, book, entry)
    local limit = ledger.now() + ledger.patience
    while ledger.now() < limit do
        local busy, open = in_the_way(ledger, book, entry)
        if not busy and book.began >= open then return end
        if not busy and ledger.now() >= open then
            lists.read_since(ledger, book, open)
        else
            ledger.sleep(ledger.step)
        end
    end
end

-- Is another create under way that could be mistaken for this one?
local function has_rival_flying(book, entry)
    for _, other in ipairs(beside(book, entry)) do
        if other ~= entry and other.state == "flying" and looks.alike(entry, other) then
            return true
        end
    end
    return false
end

-- When the list must show what the lost creates of one specification have made.
local function due_of(ledger, book, identity)
    local due = -math.huge
    for _, entry in ipairs((judge.claimants(book, identity))) do
        due = math.max(due, entry.lost_at + ledger.settle)
    end
    return due
end

-- What ends a create at once: its task was cancelled, or it is a mistake in a program.
local function is_fatal(e)
    return type(e) ~= "table" or e.kind == "cancelled"
end

local function give_up_unread(book, entry, e)
    local reason = ("the list of mirrors could not be read (%s)"):format(tostring(e.message or e.kind))
    judge.give_up(book, entry.identity, reason)
end

-- Whether the API can be asked; when it is away for too long, there is nothing left to decide by.
local function can_ask(ledger, book, entry)
    local ok, e = pcall(ledger.stand_by, book.cluster)
    if not ok and is_fatal(e) then error(e, 0) end
    if not ok and not entry.verdict then give_up_unread(book, entry, e) end
    return ok
end

-- Reads the list that decides, and decides. When there is none to be had, there is nothing left to decide by.
local function read_and_judge(ledger, book, entry, due)
    local ok, e = pcall(lists.read_since, ledger, book, due)
    if not ok and is_fatal(e) then error(e, 0) end
    if entry.verdict then return end
    if not ok and ledger.now() < due + ledger.settle then
        ledger.sleep(ledger.settle / list_attempts)
    elseif not ok then
        give_up_unread(book, entry, e)
    elseif book.began >= due_of(ledger, book, entry.identity) then
        judge.decide(book, entry.identity)
    end
end

-- Waits for the verdict on a lost create. Returns the adopted id, or nil when it was surely not made.
local function settle(ledger, book, entry, cause)
    local limit = ledger.now() + ledger.settle + ledger.patience
    local function tell(what, fields)
        fields.what, fields.cluster, fields.spec, fields.error = what, book.cluster, entry.spec, cause
        ledger.tell(fields)
    end
    tell("lost", { wait = math.max(0, entry.lost_at + ledger.settle - ledger.now()) })
    while not entry.verdict and can_ask(ledger, book, entry) do
        local now, due = ledger.now(), due_of(ledger, book, entry.identity)
        if now < due then
            ledger.sleep(due - now)
        elseif now < limit and has_rival_flying(book, entry) then
            ledger.sleep(ledger.step)
        else
            read_and_judge(ledger, book, entry, due)
        end
    end
    local verdict = entry.verdict
    tell(verdict.what, { id = verdict.id })
    if verdict.what == "undecided" then
        error(judge.unknown_outcome(ledger, book, entry, cause), 0)
    end
    entry.verdict = nil
    return verdict.id
end

local function nothing() end

-- One attempt. Returns the id, or nil and the error when the entry is to be settled or sent again.
local function attempt_once(ledger, book, entry, send, sending)
    hold(ledger, book, entry)
    local before = entry.state
    entry.sent, entry.state = entry.sent or book.lists, "flying"
    local ok, e = pcall(sending or nothing) -- to write it down may take its time: others wait for it from now on
    if not ok then
        entry.state = before
        error(e, 0)
    end
    entry.lost_at, entry.closed = nil, nil
    local outcome, value = send()
    if outcome == "lost" then
        entry.state, entry.lost_at = "lost", ledger.now()
        return nil, value
    end
    entry.state = "waiting"
    if outcome ~= "created" then return nil, value end
    book.taken[value] = entry.spec
    return value
end

-- Settles and sends, in turn, until there is an id.
local function drive(ledger, book, entry, send, again, sending)
    local attempt, e = 0, nil
    while true do
        local id = entry.state == "lost" and settle(ledger, book, entry, e)
        if id then return id end
        if e then again(e, attempt) end
        attempt = attempt + 1
        id, e = attempt_once(ledger, book, entry, send, attempt == 1 and sending)
        if id then return id end
    end
end

--- Takes the baseline of a cluster, unless a fresh list can serve. Raises what list() raises.
---@param cluster string
function Ledger:baseline(cluster)
    lists.read_since(self, book_of(self, cluster), self.now() - self.fresh)
end

--- Makes one mirror, once.
---@param cluster string
---@param spec table  the specification; sourceAlias and topicsRegex are strings
---@param send fun(): string, any  one attempt: "created", id | "rejected", error (surely not done) |
---  "unsent", error (surely not sent) | "lost", error (sent, outcome unknown)
---@param again fun(e: any, attempt: integer)  waits before another attempt; raises when there is to be none
---@param how? reconcile.how
---@return string id
function Ledger:create(cluster, spec, send, again, how)
    how = how or {}
    local book, entry = book_of(self, cluster), how.lost
    if entry then
        remove_from(beside(book, entry), entry)
        entry.state, entry.spec = "lost", spec -- what was recorded of it has no secrets
        table.insert(beside(book, entry), entry)
    else
        self:baseline(cluster)
        entry = enter(book, { spec = spec, identity = how.identity or looks.identity_of(spec), state = "waiting" })
    end
    -- Not a <close> variable: those of a coroutine that dies of an error are only closed by whoever resumed
    -- it.
    local ok, result = pcall(drive, self, book, entry, send, again, how.sending)
    leave(self, book, entry)
    if not ok then error(result, 0) end
    return result
end

--- Takes in what earlier runs of a job knew of a cluster, in the order in which it happened. Returns the
--- creates whose answers they did not live to see, in the same order: each is decided by create() with
--- `how.lost`, and an orphan until then. All of it lies before the first list of this ledger, even if that
--- has been read already.
---@param cluster string
---@param history reconcile.event[]
---@return reconcile.entry[]
function Ledger:seed(cluster, history)
    local book, lost = book_of(self, cluster), {}
    for i, event in ipairs(history) do
        local time = i - #history
        if event.seen then
            for _, id in ipairs(event.seen) do lists.note(book, id, time) end
        elseif event.made then
            book.taken[event.made] = event.spec or true
        else
            lost[#lost + 1] = enter(book, {
                spec = event.sent,
                identity = event.identity or looks.identity_of(event.sent),
                state = "orphan",
                sent = time,
                lost_at = self.now(),
            })
        end
    end
    return lost
end

--- Takes over a create that another process has sent, and whose answer it did not live to see, while this one's are
--- under way: create() with `how.lost` decides it. This one's lists are neither before nor after it: any mirror may be
--- its own but those that are said to have been there before.
---@param cluster string
---@param spec table
---@param identity string
---@param before table<string, any>  by id: what had been listed when it was sent
---@return reconcile.entry
function Ledger:inherit(cluster, spec, identity, before)
    return enter(book_of(self, cluster), {
        spec = spec, identity = identity, state = "orphan", sent = -math.huge, before = before, lost_at = self.now(),
    })
end

--- A mirror that another process's create was answered with: it is nobody else's.
---@param cluster string
---@param id string
---@param spec table
function Ledger:made(cluster, id, spec)
    local taken = book_of(self, cluster).taken
    taken[id] = taken[id] or spec
end

return reconcile
