--- naming: which mirror somebody means: by its id, a unique beginning of it, its connector's name, or topics: and its
--- topics regex.

local fields = require("mirrors").fields
local refuse = require("kmirror.usage")

local M = {}

local shortest = 4 -- characters of a beginning

--- What may stand where an id is taken, for messages and help.
M.forms = "an id, a unique beginning of one (4 characters or more), a connector's name, or topics: and a topics regex"

local function is_beginning(text)
    return #text >= shortest and text:find("^%x[%x-]*$") ~= nil and not fields.uuid.fits(text)
end

--- Whether connectors may have any name: on Kafka Connect of one's own others make them, too, and each id is a UUID.
---@param api mirrors.Api
---@return boolean
function M.takes_any(api)
    return api:can("set_topics")
end

--- Whether a text is to be looked for among the mirrors that there are: it is no id, and may be one of the other forms.
---@param text string
---@param any? boolean connectors may have any name
---@return boolean
function M.may_mean(text, any)
    return any and not fields.uuid.fits(text) or text:find("^topics:.") ~= nil or is_beginning(text)
        or text:find("^[^.]+%..+%.[^.]+$") ~= nil
end

--- Whether a mirror is meant. A beginning may mean several: see resolve().
---@param listed mirrors.Summary
---@param text string
---@return boolean
function M.means(listed, text)
    local id, name = listed.id:lower(), text:lower()
    return id == name or listed.connectorName == text or text == "topics:" .. tostring(listed.topicsRegex)
        or is_beginning(text) and id:sub(1, #name) == name
end

local function refuse_several(text, found)
    local ids = {}
    for i = 1, math.min(#found, 5) do
        ids[i] = ("%s (%s)"):format(found[i].id, tostring(found[i].topicsRegex))
    end
    refuse("'%s' means %d mirrors: %s%s; say which by its id", text, #found, table.concat(ids, ", "),
        #found > 5 and ", ..." or "")
end

local function refuse_none(text, listed)
    local known = {}
    for _, each in ipairs(listed) do
        known[text:find("^topics:") and "topics:" .. tostring(each.topicsRegex) or each.connectorName or each.id] = true
    end
    refuse("no mirror of this cluster is meant by '%s': expected %s, as kmirror list shows them%s", text, M.forms,
        fields.meant(text, known))
end

--- The mirror that a text means among those listed. Raises usage when it means none, or several.
---@param listed mirrors.Summary[]
---@param text string
---@return mirrors.Summary
function M.find(listed, text)
    local found = {}
    for _, each in ipairs(listed) do
        if each.id:lower() == text:lower() then return each end
        if M.means(each, text) then found[#found + 1] = each end
    end
    if #found > 1 then refuse_several(text, found) end
    return found[1] or refuse_none(text, listed)
end

--- The ids that texts mean. The cluster is listed only when one of them is no id. Raises usage when one means no
--- mirror, or several; nothing has been changed then.
---@param api mirrors.Api
---@param texts string[]
---@return string[] ids
---@return table<string, mirrors.Summary> named those that were looked for, by id
---Raises what api:list() raises.
function M.resolve(api, texts)
    local ids, named, listed = {}, {}, nil
    local any = M.takes_any(api)
    for i, text in ipairs(texts) do
        ids[i] = text
        if M.may_mean(text, any) then
            listed = listed or api:list()
            local mirror = M.find(listed, text)
            ids[i], named[mirror.id] = mirror.id, mirror
        end
    end
    return ids, named
end

-- ---- what the arguments may be --------------------------------------------------------------------------

local texts = fields.list(fields.string, "a list of texts")

return fields.guard("naming", M, {
    takes_any = { "api", fields.api },
    may_mean = { "text", fields.string, "any?", fields.boolean },
    means = { "listed", fields.table, "text", fields.string },
    find = { "listed", fields.list(fields.table), "text", fields.string },
    resolve = { "api", fields.api, "texts", texts },
})
