--- cli.control: the commands that do one thing to each of several mirrors, where the backend can: pause, resume, …

local changes = require("kmirror.changes")
local confirm = require("kmirror.confirm")
local connect = require("kmirror.connect")
local ends = require("kmirror.ends")
local items = require("kmirror.cli.items")
local naming = require("kmirror.naming")
local text = require("kmirror.text")

local M = {}

--- A command of a method of the API object that takes an id.
---@param name string of the method and the command
---@param done string what is told of each: "paused"
---@param summary string
---@param details string
---@param stops? boolean nothing is copied any more: of several, that is confirmed first
---@return kmirror.command
function M.command(name, done, summary, details, stops)
    local function tell(causes, id)
        if changes.planned() then return "" end
        local lines = { ("%s %s\n"):format(done, id) }
        for _, cause in ipairs(causes or {}) do
            lines[#lines + 1] = ("\tafter %s\n"):format(text.clean(cause))
        end
        return table.concat(lines)
    end
    return {
        name = name,
        summary = summary,
        details = details,
        sets = { "connection", "safety", "results", "messages" },

        define = function(parser)
            parser:argument("ID", "A mirror: its id or name; see kmirror help get."):args("+"):argname("ID")
                :target("id")
        end,

        run = function(options)
            local api = connect()
            local ids = naming.resolve(api, options.id)
            if stops and #ids > 1 then
                confirm.typed(("%s %s on cluster %s: nothing is copied until resume"):format(name,
                    text.count(#ids, "mirror"), tostring(api.cluster)), name)
            end
            local _ <close> = setmetatable({}, { __close = function()
                if not changes.harmless() then ends.forgive(api.cluster, ids) end
            end })
            return items.each(ids, {
                json = options.json,
                single = #ids == 1,
                run = function(id)
                    return api[name](api, id)
                end,
                text = tell,
                shape = function(causes, id)
                    return { id = id, [done] = not changes.planned(), dryRun = changes.planned() or nil,
                        causes = causes and #causes > 0 and causes or nil }
                end,
                name = function(id)
                    return { id = id, [done] = false }
                end,
            })
        end,
    }
end

return M
