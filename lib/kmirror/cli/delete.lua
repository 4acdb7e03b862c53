local changes = require("kmirror.changes")
local confirm = require("kmirror.confirm")
local connect = require("kmirror.connect")
local items = require("kmirror.cli.items")
local naming = require("kmirror.naming")
local profile = require("kmirror.profile")
local text = require("kmirror.text")
local refuse = require("kmirror.usage")

local function check_ids(ids, any)
    local seen = {}
    for _, id in ipairs(ids) do
        if not profile.is_uuid(id) and not naming.may_mean(id, any) then
            refuse("'%s' is no mirror's id: expected a UUID, as kmirror list shows; nothing was deleted", id)
        elseif seen[id:lower()] then
            refuse("%s is given twice; nothing was deleted", id)
        end
        seen[id:lower()] = true
    end
end

-- What was named otherwise than by its id is told with its topics.
local function described(id, named)
    return named[id] and ("%s (%s)"):format(id, text.clean(tostring(named[id].topicsRegex))) or id
end

local function ask(ids, named, cluster)
    local what = #ids == 1 and "mirror " .. described(ids[1], named) or text.count(#ids, "mirror")
    if #ids > 1 and next(named) then
        local told = {}
        for i, id in ipairs(ids) do told[i] = described(id, named) end
        what = what .. ": " .. table.concat(told, ", ")
    end
    confirm.typed(("delete %s on cluster %s"):format(what, cluster), "delete")
end

---@type kmirror.command
return {
    name = "delete",
    summary = "Delete mirrors, with their connectors and tasks.",
    details = [[
Asks for confirmation on a terminal; without one it needs --yes. When only
some of several could be deleted the exit status is 3.

With --json: {"id", "deleted": true}; with several ids an array of them, in
the order asked for, where one that failed is
{"id", "deleted": false, "error": {"kind", "message", ...}}.]],
    sets = { "connection", "safety", "results", "messages" },

    define = function(parser)
        parser:argument("ID", "A mirror: its id or name; see kmirror help get."):args("+"):argname("ID"):target("id")
    end,

    run = function(options)
        local api = connect()
        check_ids(options.id, naming.takes_any(api))
        local ids, named = naming.resolve(api, options.id)
        check_ids(ids)
        ask(ids, named, api.cluster)
        local planned = changes.planned()
        return items.each(ids, {
            json = options.json,
            single = #ids == 1,
            run = function(id)
                api:delete(id)
            end,
            text = function(_, id)
                return planned and "" or ("deleted %s\n"):format(id)
            end,
            shape = function(_, id)
                return { id = id, deleted = not planned, dryRun = planned or nil }
            end,
            name = function(id)
                return { id = id, deleted = false }
            end,
        })
    end,
}
