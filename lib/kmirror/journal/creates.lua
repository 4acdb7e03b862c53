--- journal.creates: what is known of a cluster and of the creates in it, as the ledger of creates takes it: see
--- runtime/reconcile.lua.

local order = require("kmirror.order")

local M = {}

-- An unanswered create that another runner may be waiting for is not this one's to decide.
local function is_own(self, row)
    return not self.joint or not row.item or self.taken_over[row.number] or false
end

-- What is known of a cluster and the creates in it, in order, as reconcile.lua takes it.
local function history_of(self, cluster)
    local events = {}
    for _, seen in ipairs(self.history) do
        if seen.cluster == cluster then
            events[#events + 1] = { order = seen.order, seen = seen.ids }
        end
    end
    for _, row in ipairs(self.changes) do
        local made = row.state == "done"
        local counts = made or row.state == "sent" and is_own(self, row)
        if row.operation == "create" and row.cluster:lower() == cluster and counts then
            events[#events + 1] = {
                order = row.order, identity = row.key, row = row,
                made = made and row.id or nil, spec = made and row.arguments or nil,
                sent = not made and row.arguments or nil,
            }
        end
    end
    table.sort(events, order.by("order"))
    return events
end

local function note_seen(self, cluster, ids)
    local known, new = self.known[cluster] or {}, {}
    for _, id in ipairs(ids) do
        if not known[id] then new[#new + 1] = id end
    end
    if #new == 0 then return end
    self.known[cluster] = known
    for _, id in ipairs(new) do known[id] = true end
    self:write("write_seen", { order = self:next_order(), cluster = cluster, ids = new })
end

--- Tells a ledger what is known of a cluster, from earlier runs or other ledgers, before its first create
--- there, and has it tell what it sees.
---@param self kmirror.journal
---@param ledger reconcile.ledger
---@param cluster string
---@return table<integer, reconcile.entry> entries for unanswered creates, by their numbers
function M.prepare(self, ledger, cluster)
    local clusters = self.prepared[ledger]
    if not clusters then
        clusters = {}
        self.prepared[ledger] = clusters
        ledger:listen(function(...) note_seen(self, ...) end)
    end
    cluster = cluster:lower()
    if not clusters[cluster] then
        clusters[cluster] = {}
        local events, unanswered = history_of(self, cluster), {}
        for _, event in ipairs(events) do
            unanswered[#unanswered + 1] = event.sent and event.row or nil
        end
        for i, entry in ipairs(ledger:seed(cluster, events)) do
            clusters[cluster][unanswered[i].number] = entry
        end
    end
    return clusters[cluster]
end

-- What lists had shown, to whichever runner, before a create was sent.
local function seen_before(self, row)
    local before = {}
    for _, seen in ipairs(self.history) do
        for _, id in ipairs(seen.cluster == row.cluster:lower() and seen.order < row.order and seen.ids or {}) do
            before[id] = true
        end
    end
    return before
end

--- Tells the ledgers of creates that another runner has made, and of those whose answers it did not write down: from
--- here on these are this one's.
---@param self kmirror.journal
---@param rows kmirror.store.change[] of creates
function M.take_over(self, rows)
    for _, row in ipairs(rows) do
        self.taken_over[row.number] = true
        local cluster = row.cluster:lower()
        for ledger, clusters in pairs(self.prepared) do
            local entries = clusters[cluster]
            if entries and row.state == "done" then
                ledger:made(cluster, row.id, row.arguments)
            elseif entries and row.state == "sent" and not entries[row.number] then
                entries[row.number] = ledger:inherit(cluster, row.arguments, row.key, seen_before(self, row))
            end
        end
    end
end

return M
