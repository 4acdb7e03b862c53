-- reconcile_lists: what the lists of a cluster have shown, and which of them first, and reading another one; see the
-- head of reconcile.lua.

local lists = {}

--- Writes down that a list showed a mirror, unless an earlier one did.
function lists.note(book, id, list)
    local known = book.seen[id]
    if not known then
        known = { id = id, first = list }
        book.seen[id] = known
        book.order[#book.order + 1] = known
    end
    known.first = math.min(known.first, list)
    return known
end

local function unseen(book, mirrors)
    local ids = {}
    for _, mirror in ipairs(mirrors) do
        if not book.seen[mirror.id] then ids[#ids + 1] = mirror.id end
    end
    return ids
end

--- Takes in a list that was answered just now; see Ledger:saw().
---@param ledger reconcile.ledger
---@param mirrors reconcile.mirror[]
---@param began? number
function lists.take(ledger, book, mirrors, began)
    local new = unseen(book, mirrors)
    if #new > 0 then ledger.listener(book.cluster, new) end
    book.lists = book.lists + 1
    for _, mirror in ipairs(mirrors) do
        local known = lists.note(book, mirror.id, book.lists)
        known.connectorName, known.topicsRegex = mirror.connectorName, mirror.topicsRegex
        known.listed = book.whole and mirror
    end
    book.named = false
    book.began = math.max(book.began, began or -math.huge)
    for _, entry in ipairs(book.entries) do
        if entry.lost_at and book.began >= entry.lost_at + ledger.settle then
            entry.closed = entry.closed or book.lists
        end
    end
end

local function is_cancelled(e)
    return type(e) == "table" and e.kind == "cancelled"
end

local function read_list(ledger, book)
    local reading = { began = ledger.now() }
    book.reading = reading
    local ok, e = pcall(function()
        lists.take(ledger, book, ledger.list(book.cluster), reading.began)
    end)
    reading.ended = true
    if book.reading == reading then book.reading = nil end
    if ok then return end
    if not is_cancelled(e) then reading.failure = e end
    error(e, 0)
end

local function wait_for(ledger, reading)
    local limit = ledger.now() + ledger.patience
    while not reading.ended and ledger.now() < limit do ledger.sleep(ledger.step) end
    return reading.ended
end

--- Sees to it that a list asked for at or after `since` has been answered; creates that need one share it.
--- Raises what list() raises.
function lists.read_since(ledger, book, since)
    while book.began < since do
        local reading = book.reading
        if not (reading and wait_for(ledger, reading)) then
            read_list(ledger, book)
        elseif reading.failure and reading.began >= since then
            error(reading.failure, 0)
        end
    end
end

return lists
