--- repl.search: Ctrl-R: looks through the history for what contains a text, and looks again with each key.

local M = {}

local older, give_up, escape, enter, newline = "\x12", "\a", "\27", "\r", "\n"
local backspaces = { ["\b"] = true, ["\127"] = true }

local function is_text(key)
    return key:find("^[^\0-\31\127]") ~= nil
end

-- What is searched for is on one line; the cursor goes to where it was found.
local function find(self, from)
    local at = self.history:before(from, function(entry)
        return entry ~= self.tried and entry:find(self.wanted, 1, true)
    end)
    self.failed = at == nil
    if not at then return end
    self.at, self.shown = at, self.history.entries[at]
    self.cursor = self.shown:find(self.wanted, 1, true) - 1
end

local function narrow(self, wanted, from)
    self.wanted, self.tried = wanted, nil
    if wanted ~= "" then return find(self, from) end
    self.failed, self.at, self.shown, self.cursor = false, #self.history.entries + 1, self.draft, #self.draft
end

local function go_on(self)
    local prompt = ("(%sreverse-i-search)'%s': "):format(self.failed and "failed " or "", self.wanted)
    return self.shown, self.cursor, prompt
end

local function start(history, text, cursor)
    local self = {
        history = history, draft = text, draft_cursor = cursor, shown = text, cursor = cursor,
        at = #history.entries + 1,
    }
    narrow(self, text:find("\n") and "" or text, #history.entries + 1)
    return self
end

-- Does what a key says. Returns false when that ends the search.
local function press(self, key)
    if key == older then
        self.tried = self.shown
        if self.wanted == "" then narrow(self, self.last, #self.history.entries + 1) else find(self, self.at) end
    elseif backspaces[key] then
        narrow(self, self.wanted:gsub(utf8.charpattern .. "$", ""), #self.history.entries + 1)
    elseif is_text(key) then
        narrow(self, self.wanted .. key, self.at + 1)
    else
        return false
    end
    return true
end

--- The key for module line's open(). Enter and the other keys take what was found, to be looked at or changed before it
--- is run; Ctrl-G and Escape bring back what was typed before.
---@param history kmirror.repl.history
---@return fun(text: string, cursor: integer, more: boolean, key: string|nil): string, integer, string|boolean|nil
function M.new(history)
    local search, last = nil, ""
    return function(text, cursor, _, key)
        if not key then
            search = start(history, text, cursor)
            search.last = last
            return go_on(search)
        end
        if press(search, key) then
            last = search.wanted ~= "" and search.wanted or last
            return go_on(search)
        elseif key == give_up or key == escape then
            return search.draft, search.draft_cursor
        end
        return search.shown, search.cursor, key ~= enter and key ~= newline or nil
    end
end

return M
