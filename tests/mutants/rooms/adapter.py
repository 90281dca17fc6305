from ..mutation import Mutation

ADAPTER: tuple[Mutation, ...] = ()
