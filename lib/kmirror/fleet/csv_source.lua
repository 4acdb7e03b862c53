--- fleet.csv_source: a document in CSV (RFC 4180): a line of field names, then a line for each mirror.

local csv = require("kmirror.csv")
local known = require("kmirror.fleet.fields").of.mirror
local places = require("kmirror.fleet.places")
local counted = require("kmirror.text").count
local refuse = require("kmirror.usage")

---@class kmirror.fleet.csv_reader
---@field name string of the file
---@field text string
---@field at integer
---@field line integer
---@field separator string
local Reader = {}
Reader.__index = Reader

local separators = { [","] = "a comma", [";"] = "a semicolon", ["\t"] = "a tab", ["|"] = "a |" }

-- Without the blanks around it, no-break ones too, as they come with what is copied from a web page.
local function trimmed(cell)
    local before
    repeat
        before = cell
        cell = cell:match("^%s*(.-)%s*$"):gsub("^\u{a0}", ""):gsub("\u{a0}$", "")
    until cell == before
    return cell
end

function Reader:quoted()
    local start = self.line
    local parts = {}
    repeat
        local part, after = self.text:match('^"([^"]*)"()', self.at)
        if not part then
            refuse('%s:%d: a cell begins with ", but does not end with one', self.name, start)
        end
        self.line = self.line + select(2, part:gsub("\n", ""))
        self.at = after
        parts[#parts + 1] = part
    until self.text:sub(after, after) ~= '"' -- two of them are one that belongs to the cell
    return table.concat(parts, '"')
end

function Reader:cell()
    if self.text:find('^ *"', self.at) then
        self.at = self.text:find('"', self.at, true)
        local cell = self:quoted()
        self.at = self.text:match("^ *()", self.at)
        if not self.text:find("^[" .. self.separator .. "\r\n]", self.at) and self.at <= #self.text then
            refuse('%s:%d: expected %s after the closing "', self.name, self.line, separators[self.separator])
        end
        return cell
    end
    local cell, after = self.text:match("^([^" .. self.separator .. "\r\n]*)()", self.at)
    self.at = after
    return trimmed(cell)
end

-- The cells up to the end of the line.
function Reader:row()
    local cells = {}
    while true do
        cells[#cells + 1] = csv.original(self:cell())
        local mark, after = self.text:match("^(" .. self.separator .. "?)\r?\n?()", self.at)
        if mark == "" then
            self.line = self.line + 1
            self.at = after
            return cells
        end
        self.at = self.at + 1
    end
end

-- Spreadsheets leave rows of commas.
local function is_blank(cells)
    for _, cell in ipairs(cells) do
        if cell ~= "" then return false end
    end
    return true
end

-- Some spreadsheets say in the first line what stands between the cells. For others the titles tell: where a comma is
-- the decimal point, they write semicolons.
local function read_separator(reader)
    local first = reader.text:match("^[^\r\n]*")
    local mark = first:match('^"?[sS][eE][pP]=([,;\t|])"?[,;\t|]*$')
    reader.separator = mark or reader.text:match("^[\r\n]*[^\r\n]*"):match("[,;\t|]") or ","
    if mark then reader:row() end
end

-- The first row that holds anything, and its line.
local function read_titles(reader)
    local line, titles
    repeat
        line, titles = reader.line, reader:row()
    until not is_blank(titles) or reader.at > #reader.text
    local seen = {}
    if is_blank(titles) then
        refuse("%s:%d: the file is empty; expected a first line with the names of a mirror's fields, such as "
            .. "topicsRegex", reader.name, line)
    end
    for _, title in ipairs(titles) do
        if title ~= "" and seen[title] then
            refuse("%s:%d: the column '%s' stands there twice", reader.name, line, title)
        end
        seen[title] = true
    end
    return titles, line
end

-- Spreadsheets leave columns without a name, which are empty.
local function named(titles)
    local found = {}
    for _, title in ipairs(titles) do found[#found + 1] = title ~= "" and title or nil end
    return found
end

-- Each row has a cell for each title. What is more than that has to be empty; what is less may be the end of a file
-- that was cut short.
local function check_count(reader, titles, cells, line)
    local last_filled = #titles
    for i = #titles + 1, #cells do last_filled = cells[i] ~= "" and i or last_filled end
    if #cells < #titles then
        refuse("%s:%d: expected %s, as in the first line, got %d; an empty cell has its %s too", reader.name, line,
            counted(#titles, "cell"), #cells, separators[reader.separator]:match("%S+$"))
    elseif last_filled > #titles then
        refuse("%s:%d: expected %s, as in the first line, got %d; a cell that holds %s stands in quotes",
            reader.name, line, counted(#titles, "cell"), last_filled, separators[reader.separator])
    end
end

-- A mirror from a row. An empty cell is a field that is not there.
local function mirror_of(reader, titles, cells, line)
    check_count(reader, titles, cells, line)
    local mirror = {}
    for i, title in ipairs(titles) do
        local cell = cells[i]
        if cell ~= "" and title == "" then
            refuse("%s:%d: cell %d holds something, but its column has no name in the first line", reader.name, line, i)
        end
        mirror[title] = cell ~= "" and cell or nil
    end
    return mirror
end

local function are_known(titles)
    for _, title in ipairs(titles) do
        if title ~= "" and not known[title] then return false end
    end
    return true
end

--- The value, whose cells are all texts, and where its parts stand; without any mirror when a column is not known, as
--- all that could be said of the rows would follow from that. Raises usage for what is not CSV.
---@param name string of the file
---@param text string
---@return table
---@return kmirror.fleet.place
return function(name, text)
    local reader = setmetatable({ name = name, text = text, at = 1, line = 1 }, Reader)
    read_separator(reader)
    local titles, first = read_titles(reader)
    local place = places.new(first)
    place.columns = named(titles)
    local mirrors, list = {}, places.new(first + 1)
    while reader.at <= #reader.text and are_known(titles) do
        local line = reader.line
        local cells = reader:row()
        if not is_blank(cells) then
            mirrors[#mirrors + 1] = mirror_of(reader, titles, cells, line)
            list.parts[#mirrors] = places.new(line)
        end
    end
    place.parts.mirrors = list
    return { mirrors = mirrors }, place
end
