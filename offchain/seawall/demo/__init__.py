"""The story that `seawall demo` tells: real prices, from deployment to a liquidation."""
