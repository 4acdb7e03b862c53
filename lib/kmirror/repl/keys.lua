--- repl.keys: what the keys do that the line editor leaves to kmirror. Each is a function of the text, the cursor (in
--- bytes) and whether more input is there already, as when text is pasted to a terminal that does not say so. It
--- returns the new text and cursor, true to accept the text, false to end the session, or nothing to beep. See
--- repl.search for the third value of Ctrl-R.

local search = require("kmirror.repl.search")

local M = {}

-- ---- Enter -------------------------------------------------------------------------------------------------

local openers = { "do$", "then$", "else$", "repeat$", "{$", "%($", "function%s*[%w_.:]*%s*%([^()]*%)$" }

local function indent_after(before)
    local line = before:match("[^\n]*$")
    local indent = line:match("^%s*")
    local code = line:gsub("%s+$", "")
    for _, opener in ipairs(openers) do
        if code:find(opener) then return indent .. "    " end
    end
    return indent
end

-- An input that cannot be parsed yet goes on in another line, and so does one that is being pasted: it is run as a
-- whole or not at all. Ctrl-C is the way out of one that never ends.
local function enter(is_incomplete)
    return function(text, cursor, more)
        local before, after = text:sub(1, cursor), text:sub(cursor + 1)
        if not more and not is_incomplete(text) then return true end
        local added = "\n" .. (more and "" or indent_after(before))
        return before .. added .. after, cursor + #added
    end
end

-- ---- what is pasted ----------------------------------------------------------------------------------------

-- It becomes part of the text, and waits there for Enter.
local function paste(text, cursor, _, pasted)
    local added = pasted:gsub("\r\n?", "\n"):gsub("\t", "    "):gsub("[^\n\32-\126\128-\255]", "")
    return text:sub(1, cursor) .. added .. text:sub(cursor + 1), cursor + #added
end

-- ---- the history -------------------------------------------------------------------------------------------

-- The place of the cursor in the line above or below; nil when there is none.
local function line_above(text, cursor)
    local before = text:sub(1, cursor)
    local start = before:match("()[^\n]*$")
    if start == 1 then return nil end
    local column = cursor - start + 1
    local above_start = before:sub(1, start - 2):match("()[^\n]*$")
    return math.min(above_start - 1 + column, start - 2)
end

local function line_below(text, cursor)
    local next_start = text:match("^[^\n]*\n()", cursor + 1)
    if not next_start then return nil end
    local column = #text:sub(1, cursor):match("[^\n]*$")
    local line = text:match("^[^\n]*", next_start)
    return next_start - 1 + math.min(column, #line)
end

---@class kmirror.repl.walk
---@field at integer place in the history
---@field shown string what the walk put there; anything else begins a new walk
---@field draft string what was typed before
---@field fits fun(entry: string): any
local function new_walk(history, text, fits)
    return { at = #history.entries + 1, shown = text, draft = text, fits = fits }
end

local function stepper(history)
    local walk

    local function go(at, entry)
        walk.at, walk.shown = at, entry
        return entry, #entry
    end

    local function older(text, fits)
        if not walk or walk.shown ~= text then walk = new_walk(history, text, fits) end
        local at = history:before(walk.at, function(entry) return entry ~= walk.shown and walk.fits(entry) end)
        if at then return go(at, history.entries[at]) end
    end

    local function newer(text)
        if not walk or walk.shown ~= text or walk.at > #history.entries then return end
        local at = history:after(walk.at, function(entry) return entry ~= walk.shown and walk.fits(entry) end)
        if at then return go(at, history.entries[at]) end
        return go(#history.entries + 1, walk.draft)
    end

    local function reset() walk = nil end
    return older, newer, reset
end

local function begins_with(prefix)
    return function(entry) return entry:sub(1, #prefix) == prefix end
end

-- ---- Ctrl-D ------------------------------------------------------------------------------------------------

local function finish(text, cursor)
    if text == "" then return false end
    local after = text:sub(cursor + 1):match("^" .. utf8.charpattern .. "()")
    if after then return text:sub(1, cursor) .. text:sub(cursor + after), cursor end
end

-- ---- all of them -------------------------------------------------------------------------------------------

---@class kmirror.repl.keys.options
---@field history kmirror.repl.history
---@field is_incomplete fun(text: string): boolean
---@field complete fun(text: string, cursor: integer): string|nil, integer|nil

--- The keys for module line's open(); and a function to be called before each input.
---@param options kmirror.repl.keys.options
---@return table<string, function> keys
---@return fun() reset
function M.new(options)
    local older, newer, reset = stepper(options.history)
    local keys = {
        enter = enter(options.is_incomplete), finish = finish, paste = paste, search = search.new(options.history),
    }

    function keys.older(text, cursor)
        local above = line_above(text, cursor)
        if above then return text, above end
        return older(text, begins_with(text:sub(1, cursor)))
    end

    function keys.newer(text, cursor)
        local below = line_below(text, cursor)
        if below then return text, below end
        return newer(text)
    end

    function keys.complete(text, cursor, more)
        if more then return text:sub(1, cursor) .. "    " .. text:sub(cursor + 1), cursor + 4 end -- pasted
        return options.complete(text, cursor)
    end

    return keys, reset
end

return M
