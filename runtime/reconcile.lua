--- reconcile: makes sure that a create whose answer was lost is never made twice and never forgotten.
---
--- The API has no idempotency key. When the answer to a create is lost, the only evidence is the list of
--- mirrors: ids, connector names, topic regexes. This file holds the reasoning on that evidence. It does no I/O
--- of its own and requires nothing: list, sleep and now are passed in, so that its spec can go through every
--- interleaving.
---
--- What is known of a mirror
---
---   A mirror may be the outcome of a create only if
---   - no create was answered with its id, and none has adopted it;
---   - it was in no list that was answered before the create was first sent. So a list is read before the first
---     create on a cluster (the baseline), and every list that is answered later counts as well;
---   - it *fits*: it has the same topics regex, and its connector name `<source alias>.<target alias>.<random>`
---     begins with the source alias.
---   Aliases may hold dots: `a.b.t.r` is alias `a` into target `b.t`, or alias `a.b` into target `t`. All mirrors
---   of one Connect cluster go into one target, so the target alias is a tail that all their names share. A name
---   of three parts settles it (nearly always there is one), and so does a mirror that one of our creates was
---   answered with. While it is not settled such a mirror fits *perhaps*: enough to doubt, not enough to adopt.
---   Names that contradict each other settle nothing.
---
--- How a lost create is decided
---
---   Lost creates of the same specification are interchangeable and decided together: n of them are lost, m mirrors
---   may be theirs. Creates that could be mistaken for one another (same regex; same alias, or one alias the other
---   plus `.more`) are kept from mixing: none is sent while another is lost and undecided, a decision waits for
---   those that are under way, and those of different specifications are not under way at once, nor is one sent
---   until `settle` after the loss of the other has shown all that the other may have made.
---
---   m = n       adopted, at once.
---   m = 0       `settle` seconds after the loss: not done. Sent again.
---   0 < m < n   after `settle`: m are adopted, the other n - m were not done and are sent again.
---   m > n       after `settle`, so that all candidates are known: unknown_outcome.
---   m > 0       and one of the mirrors fits only perhaps, or may be that of a create of another specification whose
---               outcome is open: after `settle`, unknown_outcome.
---   The list cannot be read until `settle` is over: unknown_outcome.
---
---   A create that nobody waits for any more (its task was cancelled; an earlier run of the job was killed) is an
---   *orphan*: it may own a mirror but claims none. With o orphans of the same specification, up to n + o mirrors
---   are explained: n of them are adopted, and it makes no difference which.
---
---   Adopting at once can take a mirror that somebody else made at that moment, while ours is late. Nothing is lost
---   by that, but ours may then show up as well: so until `settle` is over a create that has adopted (it is *served*)
---   still counts as the possible owner of another mirror, against creates of other specifications.
---
--- What this rests on, and where evidence ends
---
---   - A create has taken effect, and shows in a list asked for, `settle` seconds after its answer was lost, or
---     never. A mirror that comes later than that is one too many, and nobody is told.
---   - Topic regex and alias come back in the list as they were sent.
---   - A mirror of the very same look that somebody else makes between our last list and our loss cannot be told
---     from ours: it fits, so it is adopted. A list serves as baseline for `fresh` seconds only, to keep that
---     window short.
---   - Every wait for another create is bounded by `patience`; after it, the other counts as open.
---
--- An error object that create() raises with a kind other than unknown_outcome and cancelled means: surely not
--- made. An error that is no object (a mistake in a program) says nothing.

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
---@field poll? number  seconds between two lists of one cluster while a create is undecided; 1
---@field fresh? number  seconds for which a list serves as baseline; 60
---@field patience? number  seconds to wait for other creates at most; 120
---@field step? number  seconds between two looks at what other creates of this process do; 0.05
---@field error? fun(kind: string, message: string, fields: table): any  makes the error object

---@class reconcile.event one of
---@field seen? string[]  ids that a list showed
---@field sent? table  specification of a create that was sent, or was about to be, and never answered
---@field identity? string  of that create
---@field made? string  id that a create was answered with
---@field spec? table  of that create

---@class reconcile.how
---@field lost? reconcile.entry  goes on with this lost create of seed(), instead of sending a new one
---@field identity? string  creates of equal identity are interchangeable; taken from the specification otherwise
---@field sending? fun()  called before the first attempt is sent; what it raises ends the create, unsent

--- One create of ours that may own a mirror.
---@class reconcile.entry
---@field spec table
---@field identity string
---@field state "waiting"|"flying"|"lost"|"orphan"|"served"  all but the first may own a mirror
---@field sent integer|nil  how many lists had been answered when it was first sent
---@field lost_at number|nil  when the last answer was lost
---@field closed integer|nil  the list that must have shown its mirror, if it was made
---@field verdict table|nil  { id = } | { missing = true } | { candidates =, reason = }

---@class reconcile.ledger
---@field on_seen nil|fun(cluster: string, ids: string[])  told of ids that a list showed for the first time
local Ledger = {}
Ledger.__index = Ledger

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
        poll = options.poll or 1,
        fresh = options.fresh or 60,
        patience = options.patience or 120,
        step = options.step or 0.05,
        error = options.error or plain_error,
        books = {},
    }, Ledger)
end

-- What is known of one cluster.
local function book_of(ledger, cluster)
    local book = ledger.books[cluster]
    if not book then
        book = {
            cluster = cluster,
            lists = 0, -- answered so far: the measure of before and after
            began = -math.huge, -- when the newest of them was asked for
            failed = -math.huge, -- when one last could not be read
            seen = {}, -- id -> { id, connectorName, topicsRegex, first = the list that showed it first }
            order = {}, -- the same, as they were first seen
            taken = {}, -- id -> spec of the create that owns it, true when that is not known
            entries = {},
        }
        ledger.books[cluster] = book
    end
    return book
end

-- Names and looks ------------------------------------------------------------------------------------------------

local function ends_with(text, tail)
    return text == tail or text:sub(-#tail - 1) == "." .. tail
end

-- The longest tail, in whole parts, that both have.
local function common_tail(tail, text)
    while tail and not ends_with(text, tail) do
        tail = tail:match("^[^.]*%.(.+)$")
    end
    return tail
end

-- What follows the alias in a connector name, without the random part; nil when there is no such thing.
local function target_in(name, alias)
    return name:sub(1, #alias + 1) == alias .. "." and name:sub(#alias + 2):match("^(.+)%.[^.]+$") or nil
end

-- What the names on a cluster say of its target alias: a string; the string that it is a tail of; or nothing.
---@return string|nil exact
---@return string|nil tail
local function target_of(book)
    local tail, exact
    for _, mirror in ipairs(book.order) do
        local name = mirror.connectorName
        if name then
            local rest = target_in(name, name:match("^[^.]*"))
            tail = rest and common_tail(tail or rest, rest)
            if not tail then return nil end
            local spec = book.taken[mirror.id]
            if type(spec) == "table" then
                local target = target_in(name, spec.sourceAlias)
                if not target or exact and exact ~= target then return nil end
                exact = target
            end
        end
    end
    if exact then return ends_with(tail, exact) and exact or nil end
    if tail and not tail:find(".", 1, true) then return tail end
    return nil, tail
end

--- Does the mirror look as that specification would make it?
---@return "yes"|"perhaps"|"no"
local function fit(book, spec, mirror)
    local alias, name = spec.sourceAlias, mirror.connectorName
    if mirror.topicsRegex ~= spec.topicsRegex or name:sub(1, #alias + 1) ~= alias .. "." then return "no" end
    local target, exact, tail = target_in(name, alias), book.exact, book.tail
    if exact then return target == exact and "yes" or "no" end
    if tail then return target and ends_with(tail, target) and "perhaps" or "no" end
    return target and not target:find(".", 1, true) and "yes" or "perhaps"
end

local function extends(alias, longer)
    return longer:sub(1, #alias + 1) == alias .. "."
end

-- Could a mirror of one be mistaken for a mirror of the other?
local function alike(one, other)
    local a, b = one.spec.sourceAlias, other.spec.sourceAlias
    return one.spec.topicsRegex == other.spec.topicsRegex and (a == b or extends(a, b) or extends(b, a))
end

local function identity_of(spec)
    local parts = {}
    for key, value in pairs(spec) do
        local whole = math.type(value) == "float" and math.tointeger(value)
        parts[#parts + 1] = ("%q=%q"):format(key, whole or value)
    end
    table.sort(parts)
    return table.concat(parts, ",")
end

-- Lists ----------------------------------------------------------------------------------------------------------

-- Writes down that a mirror was seen in a list, unless an earlier one showed it.
local function note(book, id, list)
    local known = book.seen[id]
    if not known then
        known = { id = id, first = list }
        book.seen[id] = known
        book.order[#book.order + 1] = known
    end
    known.first = math.min(known.first, list)
    return known
end

--- Takes in a list that was answered just now. Every list that is read for whatever reason may be told: it spares
--- the ledger a request and sharpens what it knows.
---@param cluster string
---@param mirrors reconcile.mirror[]
---@param began? number  when it was asked for, on now()'s clock; without it the list does not serve as baseline
function Ledger:saw(cluster, mirrors, began)
    local book = book_of(self, cluster)
    local new = {}
    for _, mirror in ipairs(mirrors) do
        if not book.seen[mirror.id] then new[#new + 1] = mirror.id end
    end
    if #new > 0 and self.on_seen then self.on_seen(cluster, new) end
    book.lists = book.lists + 1
    for _, mirror in ipairs(mirrors) do
        local known = note(book, mirror.id, book.lists)
        known.connectorName, known.topicsRegex = mirror.connectorName, mirror.topicsRegex
    end
    book.exact, book.tail = target_of(book)
    book.began = math.max(book.began, began or -math.huge)
    for _, entry in ipairs(book.entries) do
        if entry.lost_at and not entry.closed and book.began >= entry.lost_at + self.settle then
            entry.closed = book.lists
        end
    end
end

-- Waits for what other tasks do. Returns whether it came true in time.
local function await(ledger, condition)
    local limit = ledger.now() + ledger.patience
    while not condition() do
        if ledger.now() >= limit then return false end
        ledger.sleep(ledger.step)
    end
    return true
end

local function is_cancelled(e)
    return type(e) == "table" and e.kind == "cancelled"
end

local function read_list(ledger, book)
    local reading = { began = ledger.now() }
    book.reading = reading
    local ok, e = pcall(function()
        ledger:saw(book.cluster, ledger.list(book.cluster), reading.began)
    end)
    reading.ended = true
    if book.reading == reading then book.reading = nil end
    if ok then return end
    if not is_cancelled(e) then reading.failure = e end
    error(e, 0)
end

-- Sees to it that a list asked for at or after `since` has been answered; tasks that need one share it.
local function read_since(ledger, book, since)
    while book.began < since do
        local reading = book.reading
        local ended = reading and await(ledger, function() return reading.ended end)
        if not ended then
            read_list(ledger, book)
        elseif reading.failure and reading.began >= since then
            error(reading.failure, 0)
        end
    end
end

--- Takes the baseline of a cluster unless there is a fresh one. Raises what list() raises.
---@param cluster string
function Ledger:baseline(cluster)
    read_since(self, book_of(self, cluster), self.now() - self.fresh)
end

-- Judgement ------------------------------------------------------------------------------------------------------

local function may_own(entry, mirror)
    return entry.state ~= "waiting" and mirror.first > entry.sent and mirror.first <= (entry.closed or math.huge)
end

-- The creates of one specification: those that wait for a verdict, earliest first, and the orphans.
local function claimants(book, identity)
    local lost, orphans = {}, {}
    for _, entry in ipairs(book.entries) do
        if entry.identity == identity then
            local group = entry.state == "lost" and lost or entry.state == "orphan" and orphans
            if group then group[#group + 1] = entry end
        end
    end
    return lost, orphans
end

local function any_may_own(entries, mirror)
    for _, entry in ipairs(entries) do
        if may_own(entry, mirror) then return true end
    end
    return false
end

-- Is there a create, other than the interchangeable ones that are lost or orphans, that may own the mirror?
local function is_contested(book, identity, mirror)
    for _, entry in ipairs(book.entries) do
        local other = entry.identity ~= identity or entry.state == "flying"
        if other and may_own(entry, mirror) and fit(book, entry.spec, mirror) ~= "no" then return true end
    end
    return false
end

-- The mirrors that may belong to one of the entries, as they were first seen, and why they cannot simply be
-- adopted, if so.
local function candidates_for(book, lost, orphans)
    local candidates, doubt = {}, nil
    local spec, identity = lost[1].spec, lost[1].identity
    for _, mirror in ipairs(book.order) do
        if not book.taken[mirror.id] and mirror.connectorName
            and (any_may_own(lost, mirror) or any_may_own(orphans, mirror)) then
            local fits = fit(book, spec, mirror)
            if fits ~= "no" then
                candidates[#candidates + 1] = mirror
                if fits == "perhaps" then
                    doubt = "its name can be read in two ways"
                elseif is_contested(book, identity, mirror) then
                    doubt = "it may be that of another create"
                end
            end
        end
    end
    table.sort(candidates, function(a, b) return a.first < b.first end)
    return candidates, doubt
end

-- Gives each candidate to an entry that may own it, lost ones first. What an earlier candidate may belong to, a
-- later one may as well, so taking the first that is free is never wrong. Returns nil when one is left over.
local function share_out(candidates, lost, orphans)
    local given, orphans_given, count = {}, {}, 0
    local function give(mirror, entries, taken)
        for _, entry in ipairs(entries) do
            if not taken[entry] and may_own(entry, mirror) then
                taken[entry] = mirror
                return true
            end
        end
        return false
    end
    for _, mirror in ipairs(candidates) do
        if give(mirror, lost, given) then
            count = count + 1
        elseif not give(mirror, orphans, orphans_given) then
            return nil
        end
    end
    return given, count
end

local function last_loss(lost)
    local at = -math.huge
    for _, entry in ipairs(lost) do
        at = math.max(at, entry.lost_at)
    end
    return at
end

local function decide(entry, verdict, state)
    entry.verdict, entry.state = verdict, state or "waiting"
end

local function give_up(lost, candidates, reason)
    local found = {}
    for i, mirror in ipairs(candidates) do
        found[i] = { id = mirror.id, connectorName = mirror.connectorName, topicsRegex = mirror.topicsRegex }
    end
    for _, entry in ipairs(lost) do
        decide(entry, { candidates = found, reason = reason, lost = #lost })
    end
end

-- Decides the lost creates that are interchangeable with the entry, if the evidence allows it yet.
local function judge(ledger, book, entry)
    local lost, orphans = claimants(book, entry.identity)
    local candidates, doubt = candidates_for(book, lost, orphans)
    local settled = book.began >= last_loss(lost) + ledger.settle
    local given, count
    if not doubt then given, count = share_out(candidates, lost, orphans) end
    if not given then
        if settled then give_up(lost, candidates, doubt) end
    elseif settled or count == #lost then
        for _, each in ipairs(lost) do
            local mirror = given[each]
            if mirror then
                book.taken[mirror.id] = each.spec
                decide(each, { id = mirror.id }, not settled and "served" or nil)
            else
                decide(each, { missing = true })
            end
        end
    end
end

-- Sends and waits ------------------------------------------------------------------------------------------------

-- Is there another create that could be mistaken for this one, and is under way?
local function has_rival_flying(book, entry)
    for _, other in ipairs(book.entries) do
        if other ~= entry and other.state == "flying" and alike(entry, other) then return true end
    end
    return false
end

-- What a send has to wait for: whether there are creates to be decided or answered first, and the moment at which
-- the mirrors of those that nobody waits for must have shown.
local function in_the_way(ledger, book, entry)
    local busy, open = false, nil
    for _, other in ipairs(book.entries) do
        if other ~= entry and alike(entry, other) then
            if other.state == "lost" or other.state == "flying" and other.identity ~= entry.identity then
                busy = true
            elseif other.lost_at and not other.closed and other.identity ~= entry.identity then
                open = math.max(open or -math.huge, other.lost_at + ledger.settle)
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
        if not busy and not open then return end
        if not busy and ledger.now() >= open then
            read_since(ledger, book, open)
        else
            ledger.sleep(ledger.step)
        end
    end
end

local function described(candidates)
    local parts = {}
    for i, mirror in ipairs(candidates) do
        parts[i] = ("%s (%s)"):format(mirror.id, mirror.connectorName)
    end
    return table.concat(parts, ", ")
end

local function count_of(n, noun)
    return n == 1 and ("1 %s"):format(noun) or ("%d %ss"):format(n, noun)
end

-- What stands in the way of a decision, and what to do about it, for the person who reads the error.
local function advice(cluster, spec, verdict)
    local found = #verdict.candidates
    if found == 0 then
        return ("%s; when the list can be read, run `kmirror list --cluster %s`: without a new mirror `%s.…` of "
            .. "topics `%s`, run the create again"):format(
            verdict.reason, cluster, spec.sourceAlias, spec.topicsRegex)
    end
    local why = verdict.reason or ("%s for %s"):format(
        count_of(found, "new mirror"), count_of(verdict.lost, "lost create"))
    return ("%s: %s; look at each with `kmirror get --cluster %s ID`, keep the one that is yours, delete what is too "
        .. "many"):format(why, described(verdict.candidates), cluster)
end

local function unknown_outcome(ledger, book, entry, cause)
    local spec, verdict = entry.spec, entry.verdict
    local message = "the answer was lost, and whether mirror `%s.…` of topics `%s` was made cannot be told: %s"
    message = message:format(spec.sourceAlias, spec.topicsRegex, advice(book.cluster, spec, verdict))
    return ledger.error("unknown_outcome", message, {
        operation = "create",
        cluster = book.cluster,
        details = { candidates = verdict.candidates, cause = cause and tostring(cause.message or cause) or nil },
    })
end

-- Reads the list once more when its turn has come. A list that cannot be read is tried again until `settle` is over.
local function look(ledger, book, entry)
    local now, reading = ledger.now(), book.reading
    if now < math.max(book.began, book.failed) + ledger.poll then return end
    local ok, e = pcall(read_since, ledger, book, reading and reading.began or now)
    if ok then return end
    if type(e) ~= "table" or is_cancelled(e) then error(e, 0) end
    book.failed = ledger.now()
    if book.failed >= entry.lost_at + ledger.settle and not entry.verdict then
        local lost, orphans = claimants(book, entry.identity)
        give_up(lost, candidates_for(book, lost, orphans), "the list of mirrors could not be read ("
            .. tostring(e.message or e.kind) .. ")")
    end
end

-- Waits for the verdict on a lost create. Returns the adopted id, or nil when it was surely not made.
local function settle(ledger, book, entry, cause)
    local limit = ledger.now() + ledger.patience
    while not entry.verdict do
        if ledger.now() >= limit or not has_rival_flying(book, entry) then
            judge(ledger, book, entry)
            if not entry.verdict then look(ledger, book, entry) end
            if not entry.verdict then judge(ledger, book, entry) end
        end
        if not entry.verdict then ledger.sleep(ledger.step) end
    end
    local verdict = entry.verdict
    if verdict.candidates then error(unknown_outcome(ledger, book, entry, cause), 0) end
    entry.verdict = nil
    return verdict.id
end

local function enter(book, entry)
    book.entries[#book.entries + 1] = entry
    return entry
end

-- Takes a create out of the book when it has ended, or leaves it there as an orphan when its outcome is open.
local function leave(ledger, book, entry)
    if entry.state == "flying" or entry.state == "lost" then
        entry.lost_at, entry.state = entry.lost_at or ledger.now(), "orphan"
    end
    if entry.state ~= "waiting" then return end
    for i, each in ipairs(book.entries) do
        if each == entry then
            table.remove(book.entries, i)
            return
        end
    end
end

-- One attempt. Returns the id, or nil and the error when the entry is to be settled or sent again.
local function attempt_once(ledger, book, entry, send, sending)
    hold(ledger, book, entry)
    if sending then sending() end
    entry.sent, entry.state = entry.sent or book.lists, "flying"
    entry.lost_at, entry.closed = nil, nil
    local outcome, value = send()
    if outcome == "lost" then
        entry.state, entry.lost_at = "lost", ledger.now()
        return nil, value
    end
    entry.state = "waiting"
    if outcome == "created" then
        book.taken[value] = entry.spec
        return value
    end
    return nil, value
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

--- Makes one mirror, once.
---@param cluster string
---@param spec table  the specification; sourceAlias and topicsRegex are strings
---@param send fun(): string, any  one attempt: "created", id | "rejected", error (surely not done) | "unsent", error
---  (surely not sent) | "lost", error (sent, outcome unknown)
---@param again fun(e: any, attempt: integer)  waits before another attempt, or raises when there is to be none
---@param how? reconcile.how
---@return string id
function Ledger:create(cluster, spec, send, again, how)
    how = how or {}
    local book, entry = book_of(self, cluster), how.lost
    if entry then
        entry.state = "lost"
    else
        self:baseline(cluster)
        entry = enter(book, { spec = spec, identity = how.identity or identity_of(spec), state = "waiting" })
    end
    -- Not a <close> variable: those of a coroutine that dies of an error are only closed by whoever resumed it.
    local ok, result = pcall(drive, self, book, entry, send, again, how.sending)
    leave(self, book, entry)
    if not ok then error(result, 0) end
    return result
end

--- Takes in what earlier runs of a job knew of a cluster, in the order in which it happened. Returns the creates
--- whose answers they did not live to see, in the same order: each is decided by create() with `how.lost`, and an
--- orphan until then. All of it lies before the first list of this ledger, also when that has been read already.
---@param cluster string
---@param history reconcile.event[]
---@return reconcile.entry[]
function Ledger:seed(cluster, history)
    local book, lost = book_of(self, cluster), {}
    for i, event in ipairs(history) do
        local time = i - #history
        if event.seen then
            for _, id in ipairs(event.seen) do
                note(book, id, time)
            end
        elseif event.made then
            book.taken[event.made] = event.spec or true
        else
            lost[#lost + 1] = enter(book, {
                spec = event.sent,
                identity = event.identity or identity_of(event.sent),
                state = "orphan",
                sent = time,
                lost_at = self.now(),
            })
        end
    end
    return lost
end

return reconcile
