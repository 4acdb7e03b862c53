--- report.html: text from anywhere, made safe for a page; and numbers as people read them.

local text = require("kmirror.text")

local M = {}

local entities = { ["&"] = "&amp;", ["<"] = "&lt;", [">"] = "&gt;", ['"'] = "&quot;", ["'"] = "&#39;" }
local longest = 300 -- characters of one text that are shown

-- A long text is cut, and says how long it was.
local function shorten(value, most)
    local length = utf8.len(value)
    if length <= most then
        return value
    end
    return ("%s… (%d characters)"):format(value:sub(1, utf8.offset(value, most + 1) - 1), length)
end

--- The text for a page, between tags and in attributes alike: no markup, nothing that turns the direction round, not
--- too long.
---@param value any
---@param most? integer characters; 300 by default
---@return string
function M.escape(value, most)
    local safe = text.clean(shorten(text.valid(tostring(value)), most or longest))
    return (safe:gsub("[&<>\"']", entities))
end

--- A template with its holes filled: `{name}` is escaped, `{{name}}` is HTML already.
---@param template string
---@param values table<string, any>
---@return string
function M.fill(template, values)
    local filled = template:gsub("{({?)([%w_]+)}?}", function(raw, name)
        local value = values[name]
        return raw == "{" and tostring(value or "") or M.escape(value == nil and "" or value)
    end)
    return filled
end

--- Seconds as people read them: 0.25 s, 12.3 s, 3 min 20 s, 2 h 5 min.
---@param seconds number
---@return string
function M.seconds(seconds)
    if seconds < 10 then
        return ("%.2f s"):format(seconds)
    elseif seconds < 60 then
        return ("%.1f s"):format(seconds)
    elseif seconds < 3600 then
        return ("%d min %d s"):format(seconds // 60, seconds % 60 // 1)
    end
    return ("%d h %d min"):format(seconds // 3600, seconds % 3600 // 60)
end

--- A moment in UTC.
---@param epoch number
---@return string
function M.moment(epoch)
    return os.date("!%Y-%m-%d %H:%M:%S UTC", epoch // 1)
end

--- "1 call", "2 calls".
---@type fun(number: integer, one: string, many?: string): string
M.count = text.count

---@class kmirror.report.column
---@field [1] string title
---@field [2] fun(row: any): any, any? what is shown; and HTML instead of it, if there is a second value
---@field sort? fun(row: any): number what to sort by, when it is a number

--- A table that a page can sort. Rows may have `class` and `key`.
---@param columns kmirror.report.column[]
---@param rows table[]
---@param attributes? string of the table
---@param row_attributes? fun(row: any): string
---@return string
function M.table(columns, rows, attributes, row_attributes)
    local parts = { "<div class=scroll><table " .. (attributes or "") .. "><thead><tr>" }
    for _, column in ipairs(columns) do
        parts[#parts + 1] = ("<th%s>%s</th>"):format(column.sort and " class=number" or "", M.escape(column[1]))
    end
    parts[#parts + 1] = "</tr></thead><tbody>\n"
    for _, row in ipairs(rows) do
        parts[#parts + 1] = "<tr" .. (row_attributes and row_attributes(row) or "") .. ">"
        for _, column in ipairs(columns) do
            local value, html = column[2](row)
            local by = column.sort and (' class=number data-sort="%.6g"'):format(column.sort(row) or -1) or ""
            parts[#parts + 1] = ("<td%s>%s</td>"):format(by, html or M.escape(value == nil and "–" or value))
        end
        parts[#parts + 1] = "</tr>\n"
    end
    parts[#parts + 1] = "</tbody></table></div>\n"
    return table.concat(parts)
end

return M
