"""The manifests of `deploy/kubernetes`, made from the settings, the rules and the boards."""
