--- The topics of the sandbox's Kafka clusters, and which of them a regex takes.

local random = require("kmirror.sandbox.random")

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
topics.EXTERNAL = {
    "__consumer_offsets", "east-orders", "east-payments", "orders", "payments", "shipments",
    "west-inventory", "west-orders", "west-payments", "west-shipments",
}

--- Topics that MirrorMaker 2 leaves out whatever the regex says (its default topics.exclude).
---@param name string
---@return boolean
function topics.is_internal(name)
    return (name:find("[-.]internal$") or name:find("%.replica$") or name:find("^__")) ~= nil
end

--- What all names begin with that a regex takes, as far as that is plain to see.
---@param regex string
---@return string
local function beginning(regex)
    local text = ""
    for escaped, char in (regex:find("|", 1, true) and "" or regex):gmatch("(\\?)(.)") do
        local is_literal = escaped == "" and char:find("[%w_-]") or escaped ~= "" and char:find("[.-]")
        if not is_literal then
            return char:find("[*?{]") and escaped == "" and text:sub(1, -2) or text
        end
        text = text .. char
    end
    return text
end

--- The index of the first of `names` that is not below the text.
---@param names string[] sorted
---@param text string
---@return integer
local function first_from(names, text)
    local low, high = 1, #names + 1
    while low < high do
        local middle = (low + high) // 2
        if names[middle] < text then
            low = middle + 1
        else
            high = middle
        end
    end
    return low
end

--- PCRE2_ENDANCHORED, which lrexlib passes on but has no name for.
local ENDANCHORED = 0x20000000

--- Those of `names` that a topics regex takes: all of the name must match, as MirrorMaker 2 has it.
--- PCRE2 stands in for Java's regexes here; they differ only in corners.
---@param regex string
---@param names string[] sorted
---@return string[]|nil taken nil when it is not a regex, or takes too long
---@return string|nil why
function topics.select(regex, names)
    local rex = require("rex_pcre2")
    local taken = {}
    local done, why = pcall(function()
        local whole, text = rex.new(regex, rex.flags().ANCHORED | ENDANCHORED), beginning(regex)
        for i = first_from(names, text), #names do
            local name = names[i]
            if name:sub(1, #text) ~= text then break end
            if not topics.is_internal(name) and whole:find(name) then taken[#taken + 1] = name end
        end
    end)
    if not done then return nil, (tostring(why):gsub("^[^:]+:%d+: ", "")) end
    return taken
end

--- How busy a topic is: the same in every world.
---@param name string
---@return { name: string, rate: number, phase: number }
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
