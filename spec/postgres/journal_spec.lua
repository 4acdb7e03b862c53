-- The specs of spec/lib/journal_spec.lua, over a store in PostgreSQL.
local stores = require("spec.support.stores")

stores.use_postgresql()
teardown(stores.stop)
assert(loadfile("spec/lib/journal_spec.lua", "t", _ENV))()
