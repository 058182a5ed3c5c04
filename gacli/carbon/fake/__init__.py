"""Servers that speak the carbon APIs over real sockets on the loopback interface: for demos and tests."""
