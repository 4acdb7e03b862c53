-- reconcile_judge: decides the lost creates of one specification by what the lists have shown, and says what is left to
-- do where that is not enough; see the head of reconcile.lua.

local looks = ...

local judge = {}

local function may_own(entry, mirror)
    local last, before = entry.closed or math.huge, entry.before and entry.before[mirror.id]
    return entry.state ~= "waiting" and not before and mirror.first > entry.sent and mirror.first <= last
end

local function any_may_own(entries, mirror)
    for _, entry in ipairs(entries) do
        if may_own(entry, mirror) then return true end
    end
    return false
end

--- The creates of one specification: those that wait for a verdict, and the orphans.
function judge.claimants(book, identity)
    local lost, orphans = {}, {}
    for _, entry in ipairs(book.entries) do
        local group = entry.state == "lost" and lost or entry.state == "orphan" and orphans
        if group and entry.identity == identity then group[#group + 1] = entry end
    end
    return lost, orphans
end

-- Is there a create, other than the interchangeable ones that are lost or orphans, that may own the mirror?
local function is_contested(book, identity, mirror)
    for _, entry in ipairs(book.entries) do
        local other = entry.identity ~= identity or entry.state == "flying"
        if other and may_own(entry, mirror) and looks.fit(book, entry.spec, mirror) ~= "no" then
            return true
        end
    end
    return false
end

-- The mirrors that may belong to one of those creates: those that fit, and those that perhaps do.
local function possible_for(book, lost)
    local found = { yes = {}, perhaps = {}, no = {} }
    for _, mirror in ipairs(book.order) do
        if mirror.connectorName and not book.taken[mirror.id] and any_may_own(lost, mirror) then
            table.insert(found[looks.fit(book, lost[1].spec, mirror)], mirror)
        end
    end
    return found
end

-- The mirrors that may belong to one of those creates, earliest first, and what speaks against adopting them,
-- if anything does. Where specifications are told as they were sent, what but nearly fits is none of ours.
local function candidates_for(book, lost)
    local possible, doubt = possible_for(book, lost), nil
    local candidates = possible.yes
    for _, mirror in ipairs(candidates) do
        doubt = doubt or is_contested(book, lost[1].identity, mirror) and "it may be that of another create" or nil
    end
    if #possible.perhaps > 0 and not (book.whole and #candidates > 0) then
        table.move(possible.perhaps, 1, #possible.perhaps, #candidates + 1, candidates)
        doubt = book.whole and "its connection properties are of the same servers, but are not the same"
            or "its connector name can be read in two ways"
    end
    table.sort(candidates, function(a, b) return a.first < b.first end)
    return candidates, doubt
end

local function give(mirror, entries, given)
    for _, entry in ipairs(entries) do
        if not given[entry] and may_own(entry, mirror) then
            given[entry] = mirror
            return true
        end
    end
    return false
end

-- Gives each candidate to a create that may own it, to lost ones first. Returns nil when one is left over.
local function share_out(candidates, lost, orphans)
    local given = {}
    for _, mirror in ipairs(candidates) do
        if not (give(mirror, lost, given) or give(mirror, orphans, given)) then return nil end
    end
    return given
end

local function decide(entry, verdict, state)
    entry.verdict, entry.state = verdict, state
end

local function leave_open(lost, candidates, reason)
    local found = {}
    for i, mirror in ipairs(candidates) do
        found[i] = { id = mirror.id, connectorName = mirror.connectorName, topicsRegex = mirror.topicsRegex }
    end
    for _, entry in ipairs(lost) do
        decide(entry, { what = "undecided", candidates = found, reason = reason, lost = #lost }, "orphan")
    end
end

--- Gives up all lost creates of one specification, for that reason: their outcome stays open.
function judge.give_up(book, identity, reason)
    local lost = judge.claimants(book, identity)
    leave_open(lost, (candidates_for(book, lost)), reason)
end

--- Decides all lost creates of one specification, by the lists read so far.
function judge.decide(book, identity)
    local lost, orphans = judge.claimants(book, identity)
    local candidates, doubt = candidates_for(book, lost)
    local given = not doubt and share_out(candidates, lost, orphans)
    if not given then return leave_open(lost, candidates, doubt) end
    for _, entry in ipairs(lost) do
        local mirror = given[entry]
        if mirror then book.taken[mirror.id] = entry.spec end
        decide(entry, { what = mirror and "adopted" or "undone", id = mirror and mirror.id }, "waiting")
    end
end

-- What to say of a create that cannot be decided ------------------------------------------------------------

local function count_of(n, noun)
    return ("%d %s%s"):format(n, noun, n == 1 and "" or "s")
end

-- What stands in the way of a decision, and what to do about it.
local function advice(cluster, spec, verdict)
    local found = {}
    for i, mirror in ipairs(verdict.candidates) do
        found[i] = ("%s (%s)"):format(mirror.id, mirror.connectorName)
    end
    if #found == 0 then
        local text = "%s; when it can, run `kmirror list --cluster %s`, and the create again if it shows no "
            .. "new mirror `%s.…` of these topics"
        return text:format(verdict.reason, cluster, spec.sourceAlias)
    end
    local count = ("%s for %s"):format(count_of(#found, "new mirror"), count_of(verdict.lost, "lost create"))
    if verdict.reason then count = count .. ", but " .. verdict.reason end
    return ("%s: %s; look at each with `kmirror get --cluster %s ID`, and delete what is too many, or run "
        .. "the create again if none is yours"):format(count, table.concat(found, ", "), cluster)
end

--- The error of a create that could not be decided.
---@return any
function judge.unknown_outcome(ledger, book, entry, cause)
    local spec, verdict = entry.spec, entry.verdict
    local message = "the answer was lost, and whether mirror `%s.…` of topics `%s` was made cannot be told: "
    message = message:format(spec.sourceAlias, spec.topicsRegex) .. advice(book.cluster, spec, verdict)
    return ledger.error("unknown_outcome", message, {
        operation = "create",
        cluster = book.cluster,
        details = { candidates = verdict.candidates, cause = cause and tostring(cause) or nil },
    })
end

return judge
