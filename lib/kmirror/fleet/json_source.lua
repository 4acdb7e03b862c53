--- fleet.json_source: a document in JSON, and where its parts stand.

local json = require("kmirror.json")
local places = require("kmirror.fleet.places")
local refuse = require("kmirror.usage")

-- Goes over text that is JSON for certain.
---@class kmirror.fleet.json_walk
---@field text string
---@field at integer
---@field line integer
local Walk = {}
Walk.__index = Walk

-- Goes to the next character that means something, and returns it.
function Walk:next()
    local blank, after = self.text:match("^([%s:,]*)()", self.at)
    self.line = self.line + select(2, blank:gsub("\n", ""))
    self.at = after
    return self.text:sub(after, after)
end

-- Goes past a string and returns it, as it is written.
function Walk:quoted()
    local start = self.at
    repeat
        self.at = self.text:find('["\\]', self.at + 1)
        local escaped = self.text:sub(self.at, self.at) == "\\"
        self.at = self.at + (escaped and 1 or 0)
    until not escaped
    self.at = self.at + 1
    return self.text:sub(start, self.at - 1)
end

function Walk:object(place)
    while self:next() ~= "}" do
        local line = self.line
        local key = json.decode("[" .. self:quoted() .. "]")[1]
        if place.parts[key] then place.twice = { key = key, line = line } end
        place.parts[key] = self:value()
    end
    self.at = self.at + 1
end

function Walk:array(place)
    place.count = 0
    while self:next() ~= "]" do
        place.count = place.count + 1
        place.parts[place.count] = self:value()
    end
    self.at = self.at + 1
end

function Walk:value()
    local first = self:next()
    local place = places.new(self.line)
    if first == "{" or first == "[" then
        self.at = self.at + 1
        self[first == "{" and "object" or "array"](self, place)
    elseif first == '"' then
        self:quoted()
    else
        self.at = self.text:find("[%s,%]}]", self.at) or #self.text + 1
    end
    return place
end

--- The value, and where its parts stand. Raises usage for what is not JSON.
---@param name string of the file
---@param text string
---@return any
---@return kmirror.fleet.place
return function(name, text)
    local value, problem = json.decode(text)
    if problem then
        local line, rest = problem:match("^line (%d+), (.*)$")
        refuse("%s:%s: not JSON: %s", name, line or "1", rest or problem)
    end
    return value, setmetatable({ text = text, at = 1, line = 1 }, Walk):value()
end
