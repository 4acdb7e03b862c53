-- The specs of spec/fault/crash_spec.lua, over a store in PostgreSQL.
local stores = require("spec.support.stores")

stores.use_postgresql()
teardown(stores.stop)
assert(loadfile("spec/fault/crash_spec.lua", "t", _ENV))()
