from ..mutation import Mutation

PROTOCOL: tuple[Mutation, ...] = ()
