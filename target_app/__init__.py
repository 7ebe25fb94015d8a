"""The house's other side: the registration service, its worker and its twins of the outside world.

Nothing here imports another room; the other rooms know this one over HTTP only.
"""
