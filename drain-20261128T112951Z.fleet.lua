-- The mirrors that were there when this was written.
-- the connection properties of 'us-west-2' are left out, as they are secret: put them into us-west-2.properties, beside this file and readable by its owner only (chmod 600)
return {
    clusters = {
        ["us-east"] = { connect = "us-east", kafka = "18667e20-1607-830d-90b6-40d8ff62a4f8", alias = "us-east" },
        ["us-west-2"] = { sourceConnectionPropertiesFile = "us-west-2.properties", alias = "us-west" },
    },
    mirrors = {
        { from = "us-west-2", to = "us-east", topicsRegex = "payments", targetLatency = 30000, useRenaming = true, maxTasks = 1 },
    },
}
