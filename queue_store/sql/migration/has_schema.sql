SELECT to_regnamespace('public') IS NOT NULL
