-- list FILE COUNT: reads and decodes a list of mirrors, with stock Lua and lua-cjson.
local cjson = require("cjson")

local path, count = ...
local file = assert(io.open(path))
local list = cjson.decode(file:read "a").mirrors
file:close()
assert(#list == math.tointeger(count))
