-- key: an API key as files and variables hold it. What surrounds it (a byte order mark, blanks, line ends) does not
-- count; what cannot be a key is refused without being shown.
local native, fields = ...

local key = {}

local LONGEST <const> = 4096

local WAY_OUT <const> = "where that cannot be done, as for a mounted secret, set KMIRROR_API_KEY from it, or let a "
    .. "profile's api_key_command print it (cat %s)"

---The key in a text. Raises `invalid` when there is none, or more than one line of it.
---@param text string
---@param where string  what the text is from, for messages: "KMIRROR_API_KEY"
---@return string
function key.of(text, where)
    if text:find("^\xFF\xFE") or text:find("^\xFE\xFF") then
        fields.invalid("%s is in UTF-16; expected the API key alone, as plain text", where)
    end
    local found = text:gsub("^\xEF\xBB\xBF", ""):match("^%s*(.-)%s*$")
    if found == "" then fields.invalid("%s is empty; expected the API key", where) end
    if found:find("[\r\n]") then
        fields.invalid("%s has %d lines; expected the API key alone", where, select(2, found:gsub("\n", "")) + 1)
    elseif found:find("[%c\x80-\xFF ]") then
        fields.invalid("%s holds a character that is in no API key; expected the key alone, as plain text", where)
    elseif #found > LONGEST then
        fields.invalid("%s is longer than %d characters; expected the API key alone", where, LONGEST)
    end
    return found
end

---The key in a file. Raises `invalid` when it cannot be read, is open to others than its owner, or holds no key.
---@param path string
---@param from string  what names the file, for messages: "KMIRROR_API_KEY_FILE"
---@return string
function key.read(path, from)
    local file, problem = io.open(path, "rb")
    local text, why
    if file then
        text, why = file:read(16 * LONGEST)
        text = text or not why and "" or nil
        file:close()
    end
    if not file then
        fields.invalid("%s: cannot read the API key from %s", from, native.printable(problem))
    elseif not text then
        fields.invalid("%s: cannot read the API key from %s: %s; expected a file with the key", from,
            native.printable(path), why or "it is not a file")
    elseif native.is_private(path) ~= true then
        local name = native.printable(path)
        fields.invalid("%s: %s can be read by others than its owner: chmod 600 %s; %s", from, name, name,
            WAY_OUT:format(name))
    end
    return key.of(text, ("%s: %s"):format(from, native.printable(path)))
end

return key
