-- kmirror run spec/support/busted_in_host.lua [busted's arguments]: runs specs inside the host, where a
-- waiting call yields to the loop instead of blocking.
arg = { [0] = "busted", ... } -- luacheck: ignore (busted reads the global)
local exit = os.exit
os.exit = function(code) -- luacheck: ignore (the state must not be closed from within a task)
    if code ~= 0 and code ~= true then error("specs failed", 0) end
end
require("busted.runner") { standalone = false }
os.exit = exit -- luacheck: ignore
