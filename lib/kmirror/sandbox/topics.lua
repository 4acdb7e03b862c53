--- The topics of the sandbox's Kafka clusters, and which of them a regex takes.

local random = require("kmirror.sandbox.random")
local regex = require("kmirror.regex")

local topics = {}

--- What the services of a region publish: each mirror of the default world carries one of these families.
local FAMILIES = {
    { "orders", "created", "shipped", "cancelled" },
    { "payments", "authorized", "settled", "refunded" },
    { "customers", "profile", "consent" },
    { "inventory", "stock", "reservations" },
    { "shipments", "labels", "tracking" },
    { "carts", "items", "abandoned" },
    { "catalog", "products", "prices" },
    { "invoices", "issued", "paid" },
    { "returns", "requested", "received" },
    { "fraud", "scores", "alerts" },
    { "loyalty", "points", "tiers" },
    { "notifications", "email", "push", "sms" },
    { "search", "queries", "clicks" },
    { "sessions", "started", "ended" },
    { "clickstream", "web", "mobile" },
    { "recommendations", "impressions", "feedback" },
    { "reviews", "submitted", "moderated" },
    { "support", "tickets", "chats" },
    { "warehouse", "picks", "packs" },
    { "suppliers", "orders", "deliveries" },
    { "accounting", "ledger", "reconciliation" },
    { "audit", "access", "changes" },
    { "metrics", "app", "infra" },
    { "cdc", "crm.accounts", "crm.contacts", "erp.items" },
}
topics.FAMILY_COUNT = #FAMILIES

--- The name of the i-th family: past the end of the list they come again with a number.
---@param i integer from 1
---@return string name, table family
local function family(i)
    local round = (i - 1) // #FAMILIES
    local members = FAMILIES[(i - 1) % #FAMILIES + 1]
    return round == 0 and members[1] or members[1] .. "-" .. round, members
end

--- A regex that takes the topics of the i-th family and no others.
---@param i integer from 1
---@return string
function topics.regex_of(i)
    return (family(i)) .. "\\..*"
end

--- The topics of the i-th family.
---@param i integer from 1
---@return string[] sorted
function topics.of_family(i)
    local name, members = family(i)
    local names = {}
    for k = 2, #members do names[k - 1] = name .. "." .. members[k] end
    table.sort(names)
    return names
end

--- The topics of a Kafka cluster that holds `count` families and is mirrored from `peer`.
---@param count integer
---@param peer string alias of the other region
---@return string[] sorted
function topics.of_region(count, peer)
    local names = {
        "__consumer_offsets", "__transaction_state", "_schemas", "connect-configs.internal", "heartbeats",
        "mm2-offset-syncs." .. peer .. ".internal", "orders.dead-letter.replica",
        peer .. ".checkpoints.internal",
    }
    for i = 1, count do
        for _, name in ipairs(topics.of_family(i)) do names[#names + 1] = name end
    end
    table.sort(names)
    return names
end

--- The topics of any cluster outside of the sandbox's account.
topics.EXTERNAL = regex.known({
    "__consumer_offsets", "east-orders", "east-payments", "orders", "payments", "shipments",
    "west-inventory", "west-orders", "west-payments", "west-shipments",
})

--- Those of the topics that a topics regex takes, as MirrorMaker 2 does.
---@param expression string
---@param names string[]|kmirror.regex.known
---@return string[]|nil taken in their order; nil when it is not a regex, or takes too long
---@return string|nil why
function topics.select(expression, names)
    local problem = regex.problem(expression)
    if problem then return nil, problem.message end
    local done, taken = pcall(regex.select, expression, names)
    if done then return taken end
    return nil, tostring(taken)
end

---@class kmirror.sandbox.topic
---@field name string
---@field rate number records a second
---@field phase number
---@field beats? boolean something is written to it for ever, whether producers run or not

--- The topic to which MirrorMaker writes by itself.
topics.HEARTBEATS = "heartbeats"

--- How busy that is.
---@param rate number records a second; MirrorMaker's own: 1
---@return kmirror.sandbox.topic
function topics.heartbeats(rate)
    return { name = topics.HEARTBEATS, rate = rate, phase = 0, beats = true }
end

--- How busy a topic is: the same in every world.
---@param name string
---@return kmirror.sandbox.topic
function topics.traffic(name)
    local stream = random.new(random.hash(name))
    local idle = stream:integer(8) == 1
    return {
        name = name,
        rate = idle and 0 or 2 ^ (stream:fraction() * 11), -- records a second, up to about 2,000
        phase = stream:fraction() * 2 * math.pi,
    }
end

return topics
