"""The test bed round moto: accounts, settings and control endpoints, and what the patches share."""
